/** What a disk holds after a power cut, as a model: which bytes and names are sure, and which are a matter of luck. */

const PAGE = 4096
const SECTOR = 512

/** A file's content as programs see it, and what of it is on the disk. */
export class Inode {
  data: Buffer = Buffer.alloc(0)
  #durable: Buffer = Buffer.alloc(0)
  /** Pages that the next fsync writes. */
  readonly #dirty = new Set<number>()
  /** Pages that may differ between the two: dirty ones, and those that a failed fsync gave up. */
  readonly #unsure = new Set<number>()

  get size(): number {
    return this.data.length
  }

  resize(size: number): void {
    const before = this.data.length
    const resized = Buffer.alloc(size)
    this.data.copy(resized)
    this.data = resized
    // The page that is cut loses bytes; where it grows, zeros come in a hole that needs no writing.
    if (size < before) this.#touch(size, Math.min(before, size + PAGE))
  }

  write(bytes: Uint8Array, position: number): void {
    if (this.data.length < position + bytes.length) this.resize(position + bytes.length)
    this.data.set(bytes, position)
    this.#touch(position, position + bytes.length)
  }

  /** O_DSYNC: this range alone is on the disk, whatever else is pending. */
  writeDurably(bytes: Uint8Array, position: number): void {
    const unsure = new Set(this.#unsure)
    const dirty = new Set(this.#dirty)
    this.write(bytes, position)
    this.#fitDurable(this.data.length)
    this.#durable.set(bytes, position)
    for (const page of [...this.#unsure]) if (!unsure.has(page)) this.#unsure.delete(page)
    for (const page of [...this.#dirty]) if (!dirty.has(page)) this.#dirty.delete(page)
  }

  sync(): void {
    this.beginSync()()
  }

  /**
   * An fsync covers what was written before it began. One that fails loses that: as on Linux it counts as clean, and
   * the next fsync succeeds without it.
   *
   * @returns to be called when it has ended well
   */
  beginSync(): () => void {
    const size = this.data.length
    const covered = new Map<number, Buffer>()
    for (const page of this.#dirty)
      covered.set(page, Buffer.from(this.data.subarray(page * PAGE, (page + 1) * PAGE)))
    this.#dirty.clear()
    return () => {
      this.#fitDurable(size)
      for (const [page, bytes] of covered) {
        bytes.copy(this.#durable, page * PAGE, 0, Math.max(0, this.#durable.length - page * PAGE))
        if (!this.#dirty.has(page)) this.#unsure.delete(page)
      }
    }
  }

  /** What is found when power is back: of each page that is not sure the old, the new, or sectors of both. */
  afterPowerCut(random: () => number): Buffer {
    const size = random() < 0.5 ? this.data.length : this.#durable.length
    const image = Buffer.alloc(size)
    this.#durable.copy(image)
    for (const page of this.#unsure) {
      const luck = random()
      if (luck < 0.45) this.data.copy(image, page * PAGE, page * PAGE, (page + 1) * PAGE)
      else if (luck < 0.55) this.#tear(image, page, random)
    }
    return image
  }

  /** A file whose content is sure. */
  static of(content: Buffer): Inode {
    const inode = new Inode()
    inode.data = content
    inode.#durable = Buffer.from(content)
    return inode
  }

  #tear(image: Buffer, page: number, random: () => number): void {
    for (let at = page * PAGE; at < Math.min((page + 1) * PAGE, this.data.length); at += SECTOR)
      if (random() < 0.5) this.data.copy(image, at, at, at + SECTOR)
  }

  #touch(from: number, to: number): void {
    for (let page = Math.floor(from / PAGE); page * PAGE < to; page++) {
      this.#dirty.add(page)
      this.#unsure.add(page)
    }
  }

  #fitDurable(size: number): void {
    if (this.#durable.length === size) return
    const fitted = Buffer.alloc(size)
    this.#durable.copy(fitted)
    this.#durable = fitted
  }
}

interface NameChange {
  readonly remove?: string
  readonly set?: string
  readonly inode: Inode
}

/** One directory. Changes of its names are sure only after an fsync of it. */
export class DiskModel {
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #pending: NameChange[] = []
  readonly #random: () => number
  readonly #ordered: boolean

  /** @param ordered a journal: changes of names are lost from the last one back, else any of them */
  constructor(random: () => number, ordered = true) {
    this.#random = random
    this.#ordered = ordered
  }

  get names(): string[] {
    return [...this.#names.keys()]
  }

  lookup(name: string): Inode | undefined {
    return this.#names.get(name)
  }

  create(name: string): Inode {
    const inode = new Inode()
    this.#change({ set: name, inode })
    return inode
  }

  /** False when there is no such name. */
  rename(from: string, to: string): boolean {
    const inode = this.#names.get(from)
    if (inode === undefined) return false
    this.#change({ remove: from, set: to, inode })
    return true
  }

  /** False when there is no such name. */
  unlink(name: string): boolean {
    const inode = this.#names.get(name)
    if (inode === undefined) return false
    this.#change({ remove: name, inode })
    return true
  }

  syncNames(): void {
    for (const change of this.#pending) applyChange(this.#durableNames, change)
    this.#pending = []
  }

  /** Power went and is back; the model goes on from what is found. */
  restart(): Map<string, Buffer> {
    const image = this.afterPowerCut(this.#ordered)
    const inodes = [...image].map(([name, content]) => [name, Inode.of(content)] as const)
    this.#names = new Map(inodes)
    this.#durableNames = new Map(inodes)
    this.#pending = []
    return this.image
  }

  /** What would be found if the power went now and came back. */
  afterPowerCut(ordered: boolean): Map<string, Buffer> {
    const names = new Map(this.#durableNames)
    const kept = Math.floor(this.#random() * (this.#pending.length + 1))
    for (const [i, change] of this.#pending.entries()) {
      if (ordered ? i < kept : this.#random() < 0.5) applyChange(names, change)
    }
    // A file may have two names then: a rename that is half there.
    const found = new Map<Inode, Buffer>()
    for (const inode of names.values())
      if (!found.has(inode)) found.set(inode, inode.afterPowerCut(this.#random))
    return new Map([...names].map(([name, inode]) => [name, found.get(inode)!]))
  }

  /** What a program that looks now sees. */
  get image(): Map<string, Buffer> {
    return new Map([...this.#names].map(([name, inode]) => [name, inode.data]))
  }

  #change(change: NameChange): void {
    applyChange(this.#names, change)
    this.#pending.push(change)
  }
}

function applyChange(names: Map<string, Inode>, change: NameChange): void {
  if (change.remove !== undefined && names.get(change.remove) === change.inode) names.delete(change.remove)
  if (change.set !== undefined) names.set(change.set, change.inode)
}
