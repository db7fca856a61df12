import { constants } from 'node:fs'
import { basename } from 'node:path'
import type { FileSystem, OpenFile } from '../../src/base/index.js'

const PAGE = 4096

/** What the power cut throws at everything that still runs. */
export class PowerCut extends Error {}

class Inode {
  data: Buffer = Buffer.alloc(0)
  durable: Buffer = Buffer.alloc(0)

  resize(size: number): void {
    const resized = Buffer.alloc(size)
    this.data.copy(resized)
    this.data = resized
  }

  sync(from = 0, to: number = this.data.length): void {
    if (this.durable.length !== this.data.length) {
      const durable = Buffer.alloc(this.data.length)
      this.durable.copy(durable)
      this.durable = durable
    }
    this.data.copy(this.durable, from, from, to)
  }
}

interface NameChange {
  readonly remove?: string
  readonly set?: string
  readonly inode?: Inode
}

/**
 * A file system in memory that forgets, when its power is cut, what was not synced: any of the pages
 * written since the last fsync of a file, and the changes of names since the last fsync of the
 * directory: the last ones of them (as with a journal) or any of them.
 */
export class CrashingFileSystem implements FileSystem {
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #pending: NameChange[] = []
  #callsLeft = Number.POSITIVE_INFINITY
  readonly #random: () => number
  readonly #ordered: boolean

  constructor(random: () => number, ordered: boolean) {
    this.#random = random
    this.#ordered = ordered
  }

  /** Cuts the power at the given call from now on. */
  cutPowerAfter(calls: number): void {
    this.#callsLeft = calls
  }

  /** What is on the disk when power is back; the file system goes on from there. */
  restart(): Map<string, Buffer> {
    const kept = Math.floor(this.#random() * (this.#pending.length + 1))
    for (const [i, change] of this.#pending.entries()) {
      if (this.#ordered ? i < kept : this.#random() < 0.5) applyChange(this.#durableNames, change)
    }
    for (const inode of new Set(this.#durableNames.values())) this.#forget(inode)
    this.#names = new Map(this.#durableNames)
    this.#pending = []
    this.#callsLeft = Number.POSITIVE_INFINITY
    return new Map([...this.#names].map(([name, inode]) => [name, inode.data]))
  }

  #forget(inode: Inode): void {
    const sizeKept = this.#random() < 0.5
    const image = Buffer.alloc(sizeKept ? inode.data.length : inode.durable.length)
    for (let at = 0; at < image.length; at += PAGE) {
      const source = this.#random() < 0.5 ? inode.data : inode.durable
      if (at < source.length) source.copy(image, at, at, at + PAGE)
    }
    inode.data = image
    inode.durable = Buffer.from(image)
  }

  #change(change: NameChange): void {
    applyChange(this.#names, change)
    this.#pending.push(change)
  }

  async call(): Promise<void> {
    // As in the thread pool, calls that run at the same time end in any order.
    const turns = Math.floor(this.#random() * 3)
    for (let i = 0; i < turns; i++) await Promise.resolve()
    if (this.#callsLeft-- <= 0) throw new PowerCut('power cut')
  }

  async open(path: string, flags: number): Promise<OpenFile> {
    await this.call()
    if ((flags & constants.O_DIRECTORY) !== 0) return new CrashingDirectory(this)
    const name = basename(path)
    let inode = this.#names.get(name)
    if (inode !== undefined && (flags & constants.O_EXCL) !== 0) throw osError('EEXIST')
    if (inode === undefined) {
      if ((flags & constants.O_CREAT) === 0) throw osError('ENOENT')
      inode = new Inode()
      this.#change({ set: name, inode })
    }
    if ((flags & constants.O_TRUNC) !== 0) inode.resize(0)
    return new CrashingFile(this, inode, (flags & constants.O_DSYNC) === constants.O_DSYNC)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.call()
    const inode = this.#names.get(basename(from))
    if (inode === undefined) throw osError('ENOENT')
    this.#change({ remove: basename(from), set: basename(to), inode })
  }

  async unlink(path: string): Promise<void> {
    await this.call()
    const name = basename(path)
    const inode = this.#names.get(name)
    if (inode === undefined) throw osError('ENOENT')
    this.#change({ remove: name, inode })
  }

  async list(): Promise<string[]> {
    await this.call()
    return [...this.#names.keys()]
  }

  syncNames(): void {
    for (const change of this.#pending) applyChange(this.#durableNames, change)
    this.#pending = []
  }
}

function applyChange(names: Map<string, Inode>, change: NameChange): void {
  if (change.remove !== undefined && names.get(change.remove) === change.inode) names.delete(change.remove)
  if (change.set !== undefined) names.set(change.set, change.inode!)
}

function osError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

class CrashingFile implements OpenFile {
  readonly #system: CrashingFileSystem
  readonly #inode: Inode
  readonly #writesDurably: boolean

  constructor(system: CrashingFileSystem, inode: Inode, writesDurably: boolean) {
    this.#system = system
    this.#inode = inode
    this.#writesDurably = writesDurably
  }

  async writev(buffers: readonly Uint8Array[], position: number): Promise<number> {
    // In two steps, so that the power can be cut in between.
    const bytes = Buffer.concat(buffers)
    const half = Math.ceil(bytes.length / 2)
    for (const [from, to] of [
      [0, half],
      [half, bytes.length],
    ] as const) {
      await this.#system.call()
      if (this.#inode.data.length < position + to) this.#inode.resize(position + to)
      bytes.copy(this.#inode.data, position + from, from, to)
    }
    if (this.#writesDurably) this.#inode.sync(position, position + bytes.length)
    return bytes.length
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    await this.#system.call()
    return this.#inode.data.copy(buffer, 0, position)
  }

  async size(): Promise<number> {
    await this.#system.call()
    return this.#inode.data.length
  }

  async truncate(size: number): Promise<void> {
    await this.#system.call()
    this.#inode.resize(size)
  }

  async chmod(): Promise<void> {
    await this.#system.call()
  }

  async datasync(): Promise<void> {
    await this.#system.call()
    this.#inode.sync()
  }

  sync(): Promise<void> {
    return this.datasync()
  }

  async close(): Promise<void> {}
}

class CrashingDirectory implements OpenFile {
  readonly #system: CrashingFileSystem

  constructor(system: CrashingFileSystem) {
    this.#system = system
  }

  async sync(): Promise<void> {
    await this.#system.call()
    this.#system.syncNames()
  }

  async close(): Promise<void> {}
  writev = unexpected
  read = unexpected
  size = unexpected
  truncate = unexpected
  chmod = unexpected
  datasync = unexpected
}

function unexpected(): never {
  throw new Error('not a call on a directory')
}
