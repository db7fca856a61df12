/**
 * The memory that sockets read into.
 *
 * Promise: bytes that someone holds are never written to again. A reader that wants to
 * keep bytes beyond the call that delivered them takes a hold on the slab they lie in;
 * the slab is read into again only after every hold is released.
 *
 * Few large reads into reused memory cost about half the CPU of Node's own
 * allocation per read, and a held 25 byte view does not pin a fresh 64 kB chunk.
 */
const SLAB_SIZE = 256 * 1024
/** A read is offered at least this much room, so that the tail of a slab does not make reads small. */
const MIN_READ_SIZE = 64 * 1024

export interface Hold {
  /** Gives the bytes back. Call exactly once. */
  release(): void
}

export class Slab implements Hold {
  readonly memory = Buffer.allocUnsafeSlow(SLAB_SIZE)
  /** Bytes from here on have not been handed out since the slab was last free. */
  used = 0
  holds = 0
  readonly #owner: ReadSlabs

  constructor(owner: ReadSlabs) {
    this.#owner = owner
  }

  release(): void {
    this.holds -= 1
    if (this.holds === 0) this.#owner.freed(this)
  }
}

export class ReadSlabs {
  readonly #free: Slab[] = []
  #current: Slab
  #heldCount = 0
  readonly #maxHeld: number
  readonly #onFreed: () => void

  /**
   * @param maxHeldBytes reading should pause while more than this is held
   * @param onFreed called whenever a held slab becomes free
   */
  constructor(maxHeldBytes: number, onFreed: () => void) {
    this.#maxHeld = Math.max(2, Math.floor(maxHeldBytes / SLAB_SIZE))
    this.#onFreed = onFreed
    this.#current = new Slab(this)
  }

  /** True while so much is held that reading should wait. */
  get exhausted(): boolean {
    return this.#heldCount >= this.#maxHeld
  }

  /** Room for the next read. */
  next(): Buffer {
    const current = this.#current
    if (current.holds === 0) current.used = 0
    else if (SLAB_SIZE - current.used < MIN_READ_SIZE) {
      this.#heldCount += 1
      this.#current = this.#free.pop() ?? new Slab(this)
      this.#current.used = 0
    }
    const slab = this.#current
    return slab.used === 0 ? slab.memory : slab.memory.subarray(slab.used)
  }

  /** Notes that a read filled the next `byteCount` bytes of the room last given out. */
  filled(byteCount: number): Buffer {
    const slab = this.#current
    const bytes = slab.memory.subarray(slab.used, slab.used + byteCount)
    slab.used += byteCount
    return bytes
  }

  /** Keeps the bytes of the last read from being written to. */
  hold(): Hold {
    this.#current.holds += 1
    return this.#current
  }

  freed(slab: Slab): void {
    if (slab === this.#current) return
    this.#heldCount -= 1
    this.#free.push(slab)
    this.#onFreed()
  }
}
