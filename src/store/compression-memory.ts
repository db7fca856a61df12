import { compressBuffer, compressedBound, type StoreCompression } from '../codec/index.js'

/** Below this fresh memory is as good. */
const SMALLEST = 1024 * 1024

/** Above this, in bytes, it would hold on to too much. */
const LARGEST = 80 * 1024 * 1024

/** More than this at once are not kept. */
const MOST_IDLE = 4

/**
 * Memory for compressed bodies that is used again. Fresh memory for each segment makes the garbage
 * collector stop everything, commits included, many times a second.
 */
export class CompressionMemory {
  readonly #idle: Buffer[] = []

  /** @returns the body, and what to call when nothing refers to it any more: after a success only */
  async compress(
    compression: StoreCompression,
    raw: Buffer,
  ): Promise<{ readonly body: Buffer; release(): void }> {
    if (compression.algorithm !== 'lz4' || raw.length < SMALLEST || raw.length > LARGEST)
      return { body: await compressBuffer(compression, raw), release: () => {} }
    const bound = compressedBound(raw.length)
    const at = this.#idle.findIndex((memory) => memory.length >= bound)
    const memory = at < 0 ? Buffer.allocUnsafeSlow(bound) : this.#idle.splice(at, 1)[0]!
    const body = await compressBuffer(compression, raw, memory)
    const release = () => {
      if (this.#idle.length < MOST_IDLE) this.#idle.push(memory)
    }
    return { body, release }
  }
}
