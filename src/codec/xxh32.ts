/**
 * The xxHash-32 checksum that LZ4 frames carry, with seed 0, fed piece by piece.
 * Specification: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
const PRIME_1 = 0x9e3779b1 | 0
const PRIME_2 = 0x85ebca77 | 0
const PRIME_3 = 0xc2b2ae3d | 0
const PRIME_4 = 0x27d4eb2f | 0
const PRIME_5 = 0x165667b1 | 0
const STRIPE = 16

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

export class Xxh32 {
  readonly #lanes = new Int32Array([(PRIME_1 + PRIME_2) | 0, PRIME_2, 0, -PRIME_1 | 0])
  readonly #rest = Buffer.alloc(STRIPE)
  #restLength = 0
  #total = 0

  update(data: Buffer): this {
    this.#total += data.length
    let at = 0
    if (this.#restLength > 0) {
      at = data.copy(this.#rest, this.#restLength)
      this.#restLength += at
      if (this.#restLength < STRIPE) return this
      this.#stripe(this.#rest, 0)
      this.#restLength = 0
    }
    for (; at + STRIPE <= data.length; at += STRIPE) this.#stripe(data, at)
    this.#restLength = data.copy(this.#rest, 0, at)
    return this
  }

  /** The checksum of everything so far, as an unsigned 32-bit integer. */
  digest(): number {
    const [a, b, c, d] = this.#lanes as unknown as [number, number, number, number]
    let hash =
      this.#total >= STRIPE
        ? (rotateLeft(a, 1) + rotateLeft(b, 7) + rotateLeft(c, 12) + rotateLeft(d, 18)) | 0
        : PRIME_5
    hash = (hash + this.#total) | 0
    let at = 0
    for (; at + 4 <= this.#restLength; at += 4) {
      hash = (hash + Math.imul(this.#rest.readInt32LE(at), PRIME_3)) | 0
      hash = Math.imul(rotateLeft(hash, 17), PRIME_4)
    }
    for (; at < this.#restLength; at++) {
      hash = (hash + Math.imul(this.#rest[at]!, PRIME_5)) | 0
      hash = Math.imul(rotateLeft(hash, 11), PRIME_1)
    }
    hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
    hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
    return (hash ^ (hash >>> 16)) >>> 0
  }

  #stripe(data: Buffer, at: number): void {
    for (let lane = 0; lane < 4; lane++) {
      const word = data.readInt32LE(at + lane * 4)
      const mixed = (this.#lanes[lane]! + Math.imul(word, PRIME_2)) | 0
      this.#lanes[lane] = Math.imul(rotateLeft(mixed, 13), PRIME_1)
    }
  }
}

/** The checksum of one buffer. */
export function xxh32(data: Buffer): number {
  return new Xxh32().update(data).digest()
}
