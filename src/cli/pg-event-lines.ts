import type { ReceiveEvent } from '../receive/index.js'
import { formatLsn, type Lsn } from '../wal/index.js'
import type { PgLogger } from './pg-logging.js'
import { reportError, reportWarning } from './report.js'

/**
 * Prints what happens while receiving in pg_receivewal's words. Barman and people's scripts
 * read these lines.
 */
export class EventLines {
  readonly #logger: PgLogger
  readonly #verbose: boolean
  #switchedTimeline = false
  #streamed = false

  constructor(logger: PgLogger, verbose: boolean) {
    this.#logger = logger
    this.#verbose = verbose
  }

  /** True once streaming was begun. */
  get streamed(): boolean {
    return this.#streamed
  }

  print(event: ReceiveEvent): void {
    const line = this.#verboseLine(event)
    if (line !== undefined && this.#verbose) this.#logger.info(line)
    switch (event.kind) {
      case 'streaming-started':
        this.#streamed = true
        this.#switchedTimeline = false
        break
      case 'timeline-switched':
        this.#switchedTimeline = true
        break
      case 'segment-left-partial':
        // The suffix of the compression never stands here.
        this.#logger.info(`not renaming "${event.name.slice(0, 24)}.partial", segment is not complete`)
        break
      case 'segment-skipped':
        this.#logger.warning(event.reason)
        break
      case 'warning':
        reportWarning(this.#logger, event.error)
        break
      case 'error':
        reportError(this.#logger, event.error)
        break
      case 'retrying':
        this.#switchedTimeline = false
        this.#logger.info(`disconnected; waiting ${event.delayMs / 1000} seconds to try again`)
        break
    }
  }

  #verboseLine(event: ReceiveEvent): string | undefined {
    switch (event.kind) {
      case 'streaming-started':
        // Going on with the next timeline is one line in the original, the one about the switch.
        return this.#switchedTimeline ? undefined : `starting log streaming at ${position(event)}`
      case 'segment-finished':
        return `finished segment at ${position(event)}`
      case 'timeline-switched':
        return `switched to timeline ${event.timeline} at ${formatLsn(event.lsn)}`
      // The original asks itself twice whether to stop, and says so each time.
      case 'stopping':
      case 'stopped':
        return event.cause === 'interrupt'
          ? 'received interrupt signal, exiting'
          : `stopped log streaming at ${position(event)}`
    }
    return undefined
  }
}

function position(at: { readonly lsn: Lsn; readonly timeline: number }): string {
  return `${formatLsn(at.lsn)} (timeline ${at.timeline})`
}
