import { type Backoff, backoffDelayMs, type WalshipError } from '../base/index.js'

/** From one second, so that a short break costs little, to one minute, so that a long one costs nobody anything. */
const BACKOFF: Backoff = { initialMs: 1000, maxMs: 60_000 }

/** A server that was stopped in an orderly way is not back at once, and should find peace while it starts. */
const AFTER_SHUTDOWN_MS = 5000

/** SQLSTATEs of a server that goes down or comes up: admin_shutdown, crash_shutdown, cannot_connect_now. */
const SHUTDOWN_STATES = ['57P01', '57P02', '57P03']

/**
 * How long `walship receive` waits before it connects again.
 *
 * @param attempt 1 for the first delay after a stream that worked
 * @returns milliseconds
 */
export function retryDelayMs(attempt: number, error: WalshipError, random?: () => number): number {
  const delayMs = backoffDelayMs(BACKOFF, attempt, random)
  return isShutdown(error) ? Math.max(delayMs, AFTER_SHUTDOWN_MS) : delayMs
}

function isShutdown(error: WalshipError): boolean {
  if (error.code === 'RECEIVE_SERVER_SHUTDOWN') return true
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if ('sqlState' in cause && SHUTDOWN_STATES.includes(String(cause.sqlState))) return true
  }
  return false
}
