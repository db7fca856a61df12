import { sleep, WalshipError } from '../base/index.js'
import type { ReceiveEvent } from '../receive/index.js'
import { DirectoryLock } from '../segments/index.js'

export interface HoldDirectoryOptions {
  /** False: fail at once when another process has it. */
  readonly waits: boolean
  readonly signal: AbortSignal
  onEvent(event: ReceiveEvent): void
}

/** A takeover comes so long after the other process has ended, at most. */
const LOOK_INTERVAL_MS = 1000

/**
 * Locks the directory for this process, and waits for whoever has it.
 *
 * Where no lock can be had that is told, and the work goes on: a missing program must not keep WAL from being received.
 *
 * @returns null on abort, and where there is no lock to be had
 * @throws WalshipError `DIRECTORY_IN_USE` where waiting is not wanted
 */
export async function holdDirectory(
  directory: string,
  options: HoldDirectoryOptions,
): Promise<DirectoryLock | null> {
  const { waits, signal, onEvent } = options
  for (let told = false; ; told = true) {
    const attempt = await DirectoryLock.attempt(directory)
    if (attempt.kind === 'held') return attempt.lock
    if (attempt.kind === 'unavailable') {
      onEvent({ kind: 'warning', error: attempt.error })
      return null
    }
    const text = `another receiver writes into directory "${directory}"${attempt.holder === null ? '' : ` (${attempt.holder})`}`
    if (!waits)
      throw new WalshipError(text, {
        code: 'DIRECTORY_IN_USE',
        retryable: true,
        hint: 'stop it, or give this one a directory of its own',
        context: { directory },
      })
    if (!told) onEvent({ kind: 'standing-by', waitsFor: 'directory', text })
    if (!(await sleep(LOOK_INTERVAL_MS, signal))) return null
  }
}
