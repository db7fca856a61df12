/** How long to wait between tries, as a pure function so that it can be tested without a clock. */
export interface Backoff {
  /** First delay, in milliseconds. */
  readonly initialMs: number
  /** Delays never grow above this, in milliseconds. */
  readonly maxMs: number
}

/**
 * The delay before the given try: doubling from `initialMs` to `maxMs`, with the upper
 * half random, so that many receivers do not come back to a restarted server in step.
 *
 * @param attempt 1 for the first delay
 * @param random a number in [0, 1), injectable for tests
 * @returns milliseconds
 */
export function backoffDelayMs(
  backoff: Backoff,
  attempt: number,
  random: () => number = Math.random,
): number {
  const full = Math.min(backoff.maxMs, backoff.initialMs * 2 ** Math.min(attempt - 1, 30))
  return Math.round(full / 2 + (full / 2) * random())
}
