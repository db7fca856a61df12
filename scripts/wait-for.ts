/** Waiting for something outside this process that cannot notify us: another process, a file, a view. */
import { setTimeout as sleep } from 'node:timers/promises'

const POLL_INTERVAL_MS = 20

/**
 * Asks again and again until the answer is neither false, null nor undefined, and returns it.
 * @param what what is waited for, for the error's text
 * @param probe asked every 20 ms; what it throws ends the wait
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = 30_000,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const answer = await probe()
    if (answer !== false && answer !== null && answer !== undefined) {
      return answer as Exclude<T, false | null | undefined>
    }
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`)
    await sleep(POLL_INTERVAL_MS)
  }
}
