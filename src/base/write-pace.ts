/**
 * Decides whether a write into the page cache may be done on the main thread.
 *
 * There it costs half the CPU of a write by the thread pool: the bytes were just read by this very
 * processor and lie in its cache, and no other thread has to be woken. Measured for 1.5 GB: 1.1 against
 * 1.2 to 2.7 CPU seconds in the kernel. But a file system that makes writers wait would stop
 * everything else here too, so after one slow write the pool takes over for a while.
 */
export class WritePace {
  readonly #slowMs: number
  readonly #penaltyMs: number
  #poolUntil = Number.NEGATIVE_INFINITY

  /**
   * @param slowMs a write that takes longer is slow, in milliseconds
   * @param penaltyMs how long the pool writes after a slow one, in milliseconds
   */
  constructor(slowMs: number, penaltyMs: number) {
    this.#slowMs = slowMs
    this.#penaltyMs = penaltyMs
  }

  /** @param now milliseconds of a monotonic clock */
  mayWriteHere(now: number): boolean {
    return now >= this.#poolUntil
  }

  /** Notes how long a write on the main thread took. */
  wrote(begunAt: number, now: number): void {
    if (now - begunAt > this.#slowMs) this.#poolUntil = now + this.#penaltyMs
  }
}
