import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options: { type: 'minor' }) => void

/**
 * Content whose results may lie about, in bytes. Less often takes more memory; more often takes time, of V8's own
 * threads too.
 */
const CONTENT_SIZE = 2 * 1024 * 1024

let collect: Collect | null = null
let compressed = 0

/**
 * Collects young garbage, now and then. Of the library's results V8 sees a small object each and not the memory behind it,
 * so that it comes when a hundred megabytes have piled up; and memory that is used again at once is still in the
 * processor's cache and need not be asked of the kernel. Measured: a tenth of the system time,
 * and 70 MB less.
 *
 * Only for a thread with a small heap, where it takes a fraction of a millisecond: on the main thread commits
 * would wait for it. Then waits for the turn of the loop in which what it found is given back.
 *
 * @param byteCount content that was compressed since the last call
 */
export async function collectYoungGarbage(byteCount: number): Promise<void> {
  compressed += byteCount
  if (compressed < CONTENT_SIZE) return
  compressed = 0
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
