import { type VerifyProgress, verifyWal } from '../verify/index.js'
import type { PgLogger } from './pg-logging.js'
import type { ProgramHost } from './program-host.js'
import { reportError } from './report.js'
import type { VerifySettings } from './verify-options.js'
import { reportJson, reportText } from './verify-report.js'

/** The status `walship verify` ends with; mistakes in the command line have the last one too. */
export const VERIFY_STATUS = { whole: 0, problems: 1, couldNotCheck: 2 } as const

const PROGRESS_INTERVAL_MS = 200

/**
 * `walship verify`: checks WAL that is kept, and prints what was found.
 *
 * @returns the exit status
 */
export async function verify(settings: VerifySettings, host: ProgramHost, logger: PgLogger): Promise<number> {
  const begun = performance.now()
  const progress = new ProgressLine(host)
  try {
    const report = await verifyWal({
      source: settings.source,
      start: settings.start,
      jobs: settings.jobs,
      signal: new AbortController().signal,
      onProgress: (at) => progress.show(at),
    })
    progress.clear()
    const seconds = (performance.now() - begun) / 1000
    host.stdout.write(settings.json ? reportJson(report, seconds) : reportText(report, seconds))
    return report.problems.length === 0 ? VERIFY_STATUS.whole : VERIFY_STATUS.problems
  } catch (error) {
    progress.clear()
    reportError(logger, error)
    return VERIFY_STATUS.couldNotCheck
  }
}

/** One line on a terminal that is written over; nothing elsewhere. */
class ProgressLine {
  readonly #host: ProgramHost
  #shownAt = 0
  #isShown = false

  constructor(host: ProgramHost) {
    this.#host = host
  }

  show({ filesDone, filesTotal, bytes }: VerifyProgress): void {
    const now = performance.now()
    if (this.#host.stderr.isTTY !== true || now - this.#shownAt < PROGRESS_INTERVAL_MS) return
    this.#shownAt = now
    this.#isShown = true
    const share = filesTotal === 0 ? 100 : Math.floor((filesDone * 100) / filesTotal)
    this.#host.stderr.write(
      `\r${share}%  ${filesDone} of ${filesTotal} files, ${(bytes / 1e9).toFixed(2)} GB\x1b[K`,
    )
  }

  clear(): void {
    if (this.#isShown) this.#host.stderr.write('\r\x1b[K')
    this.#isShown = false
  }
}
