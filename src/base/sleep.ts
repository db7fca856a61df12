/**
 * Waits, and gives the wait up at once when the signal aborts.
 *
 * @param durationMs how long, in milliseconds
 * @param signal ends the wait early
 * @returns true when the whole time passed, false when it was cut short
 */
export function sleep(durationMs: number, signal?: AbortSignal): Promise<boolean> {
  if (signal?.aborted) return Promise.resolve(false)
  return new Promise((resolve) => {
    const onAbort = () => {
      clearTimeout(timer)
      resolve(false)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve(true)
    }, durationMs)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
