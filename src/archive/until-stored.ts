import { type Backoff, backoffDelayMs, sleep } from '../base/index.js'
import { asWalshipError, isRefused, LocalFileError } from './errors.js'
import type { StoreHealth } from './store-health.js'

export interface UntilStoredOptions {
  /** For the error's text: which file. */
  readonly what: string
  readonly health: StoreHealth
  readonly backoff: Backoff
  readonly signal: AbortSignal
  /** Its failures are counted, but are no sign that the store begins to fail. */
  readonly isKnownToFail?: boolean
  /** Asked after some attempts: give the place to another? Without it, never. */
  mayGiveUp?(): boolean
}

/** With the default waits about half a minute. */
const ATTEMPTS_BEFORE_GIVING_UP = 6

/**
 * Tries for ever. Errors that look final to the store client are tried again too: credentials get
 * fixed and buckets made while the receiver goes on.
 *
 * Not tried again: what the archive refuses, such as a conflict, and a local file that cannot be read.
 *
 * @throws WalshipError in those cases and when `mayGiveUp` agrees; the signal's reason when it aborts
 */
export async function untilStored<T>(attempt: () => Promise<T>, options: UntilStoredOptions): Promise<T> {
  const { what, health, backoff, signal } = options
  const upload = {}
  try {
    for (let count = 1; ; count += 1) {
      signal.throwIfAborted()
      try {
        const result = await attempt()
        health.succeeded(upload)
        return result
      } catch (thrown) {
        if (signal.aborted) throw signal.reason
        if (isRefused(thrown) || thrown instanceof LocalFileError) throw thrown
        const error = asWalshipError(thrown, what)
        health.failed(upload, error, options.isKnownToFail)
        if (count >= ATTEMPTS_BEFORE_GIVING_UP && options.mayGiveUp?.()) throw error
      }
      await sleep(backoffDelayMs(backoff, count), signal)
    }
  } finally {
    health.gaveUp(upload)
  }
}
