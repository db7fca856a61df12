import { createHash } from 'node:crypto'

/** Packed bytes as they are made, one behind the other in one piece of memory, and their SHA-256. */
export class PackedOutput {
  readonly #memory: Buffer
  readonly #hash = createHash('sha256')
  #length = 0

  constructor(memory: Buffer) {
    this.#memory = memory
  }

  get length(): number {
    return this.#length
  }

  /** @throws RangeError when there is more than fits */
  add(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#memory.length)
      throw new RangeError('packed content larger than its bound')
    this.#memory.set(bytes, this.#length)
    this.#length += bytes.length
    this.#hash.update(bytes)
  }

  /** In hexadecimal digits; once, at the end. */
  sha256(): string {
    return this.#hash.digest('hex')
  }
}

/** The most bytes that any of the algorithms makes of content of a length, its frame included. */
export function packedBound(rawLength: number): number {
  return rawLength + (rawLength >>> 8) + 1024
}
