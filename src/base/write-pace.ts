export interface WritePaceLimits {
  /** A write that takes longer is slow, in milliseconds. */
  readonly slowMs: number
  /** How long the pool writes after a slow one, in milliseconds. */
  readonly penaltyMs: number
  /** Larger writes are the pool's, in bytes. */
  readonly maxBytes: number
}

/**
 * Decides whether a write may be done on the main thread.
 *
 * There it costs half the CPU of a write by the thread pool: the bytes were just read by this very
 * processor and lie in its cache, and no other thread has to be woken. Measured for 1.5 GB into the page
 * cache: 1.1 against 1.2 to 2.7 CPU seconds in the kernel. A small durable write, of a tenth of a
 * millisecond on a quick disk, would wait for two threads to be woken besides. But a file system that makes writers wait would stop everything
 * else here too, so after one slow write the pool takes over for a while.
 */
export class WritePace {
  readonly #limits: WritePaceLimits
  #poolUntil = Number.NEGATIVE_INFINITY

  constructor(limits: WritePaceLimits) {
    this.#limits = limits
  }

  /** @param now milliseconds of a monotonic clock */
  mayWriteHere(now: number, buffers: readonly Uint8Array[]): boolean {
    if (now < this.#poolUntil) return false
    let rest = this.#limits.maxBytes
    for (const buffer of buffers) rest -= buffer.length
    return rest >= 0
  }

  /** Notes how long a write on the main thread took. */
  wrote(begunAt: number, now: number): void {
    if (now - begunAt > this.#limits.slowMs) this.#poolUntil = now + this.#limits.penaltyMs
  }
}
