import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/**
 * Bytes of a piece: with what is kept beside it, small enough for a processor's own cache.
 *
 * Read whole, 16 MB go to the main memory and back before they are looked at, and a second thread wins nothing: both wait
 * for the same memory.
 */
const PIECE_SIZE = 256 * 1024

/**
 * A file's content, piece by piece, read by the thread that looks at it: the bytes are in its cache then. The kernel
 * reads ahead meanwhile. Every method may throw the operating system's error.
 */
export class FilePieces implements Disposable {
  readonly path: string
  readonly #fd: number
  readonly #memory: Buffer
  /** Bytes of the file when it was opened. */
  readonly size: number
  #position = 0
  #closed = false

  /** @param memory for the pieces, of the piece before; `FilePieces.memory()` */
  constructor(path: string, memory: Buffer) {
    this.path = path
    this.#fd = openSync(path, 'r')
    this.#memory = memory
    this.size = fstatSync(this.#fd).size
  }

  static memory(): Buffer {
    return Buffer.allocUnsafeSlow(PIECE_SIZE)
  }

  /** Where the next piece begins. */
  get position(): number {
    return this.#position
  }

  /** @returns the next piece, free until the next call; empty at the end */
  next(): Buffer {
    const wanted = Math.min(PIECE_SIZE, this.size - this.#position)
    let length = 0
    while (length < wanted) {
      const count = readSync(this.#fd, this.#memory, length, wanted - length, this.#position + length)
      if (count === 0) break
      length += count
    }
    this.#position += length
    return this.#memory.subarray(0, length)
  }

  /** May be called twice. */
  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.#fd)
  }
}
