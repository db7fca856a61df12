import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options: { type: 'minor' }) => void

let collect: Collect | null = null

/**
 * Collects young garbage now. Of the library's results V8 sees a small object each and not the memory behind it,
 * so that it comes when a hundred megabytes have piled up; and memory that is used again at once is still in the
 * processor's cache and need not be asked of the kernel. Measured for 1 MB at a time: a tenth of the system time,
 * and 30 to 90 MB less.
 *
 * Only for a thread with a small heap, where it takes a fraction of a millisecond: on the main thread commits
 * would wait for it. Waits for the turn of the loop in which what it found is given back.
 */
export async function collectYoungGarbage(): Promise<void> {
  collect ??= exposedCollector()
  collect({ type: 'minor' })
  await setImmediate()
}

/** The function that `node --expose-gc` gives: contexts made after the flag was set have it. */
function exposedCollector(): Collect {
  setFlagsFromString('--expose-gc')
  const exposed: unknown = runInNewContext('globalThis.gc')
  return typeof exposed === 'function' ? (exposed as Collect) : () => {}
}
