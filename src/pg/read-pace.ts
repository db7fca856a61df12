/** Reads in one millisecond from which on they come too fast. */
const BUSY_READS = 8
/** What a read after a rest has to bring for the next rest to pay, in bytes. */
const WORTH_A_REST = 1024
/** A read of this many bytes was no small one: there is more, and waiting would only fill the socket. */
const LARGE_READ = 32 * 1024
const REST_MS = 1

/**
 * Decides when to rest between two reads.
 *
 * A walsender that decodes hands each message to the kernel by itself. A client that keeps up
 * is woken for each of them, and wakes cost both sides more than the messages do: seen at 250 000
 * messages a second, two thirds of the client's CPU time. So, while reads come faster than eight in
 * a millisecond, what arrives in one millisecond is read at once. Below that nothing waits.
 */
export class ReadPace {
  #windowStart = 0
  #reads = 0
  #busy = false

  /**
   * @param byteCount what the read that is through has brought
   * @param now in milliseconds, by a clock that only goes forward
   * @returns how long to rest, in milliseconds; 0 = read on
   */
  afterRead(byteCount: number, now: number): number {
    if (byteCount >= LARGE_READ) return 0
    if (this.#busy) {
      if (byteCount >= WORTH_A_REST) return REST_MS
      this.#busy = false
      this.#reads = 0
    }
    if (now - this.#windowStart >= 1) {
      this.#windowStart = now
      this.#reads = 0
    }
    this.#reads++
    this.#busy = this.#reads >= BUSY_READS
    return this.#busy ? REST_MS : 0
  }
}
