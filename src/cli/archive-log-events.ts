import type { Logger } from 'pino'
import type { ArchiveEvent } from '../archive/index.js'
import { formatLsn } from '../wal/index.js'
import { errorFields, named } from './log-events.js'

/** Logs what happens while archiving, under the names of log-event-names.ts. */
export function logArchiveEvent(log: Logger, event: ArchiveEvent): void {
  switch (event.kind) {
    case 'segment-archived':
      log.info(
        {
          event: named('segment_archived'),
          segment: event.name,
          timeline: event.timeline,
          lsn: formatLsn(event.end),
          outcome: event.outcome,
          durationMs: event.durationMs,
        },
        `archived segment ${event.name}`,
      )
      break
    case 'history-archived':
      log.info({ event: named('history_archived'), file: event.name }, `archived ${event.name}`)
      break
    case 'partial-archived':
      log.info(
        { event: named('partial_archived'), file: event.name, lsn: formatLsn(event.switchLsn) },
        `archived ${event.name}, up to where the timeline ended`,
      )
      break
    case 'tail-archived':
    case 'tail-merged':
      log.debug(
        {
          event: named(event.kind === 'tail-archived' ? 'tail_archived' : 'tail_merged'),
          timeline: event.timeline,
          from: formatLsn(event.from),
          lsn: formatLsn(event.to),
        },
        `the archive reaches ${formatLsn(event.to)}`,
      )
      break
    case 'store-failing':
      log.error(
        { event: named('store_failing'), ...errorFields(event.error) },
        `${event.error.message}; receiving goes on, uploads are tried again`,
      )
      break
    case 'store-recovered':
      log.info(
        { event: named('store_recovered'), failures: event.failures, durationMs: event.durationMs },
        `uploads work again after ${event.failures} failures`,
      )
      break
    case 'segment-conflict':
      log.error(
        { event: named('segment_conflict'), file: event.name, ...errorFields(event.error) },
        event.error.message,
      )
      break
    case 'segment-failing':
      log.error(
        { event: named('segment_failing'), file: event.name, ...errorFields(event.error) },
        event.error.message,
      )
      break
    case 'segment-not-wal':
      log.error(
        { event: named('segment_not_wal'), file: event.name, ...errorFields(event.error) },
        `${event.error.message}; it is archived as it is, with a mark`,
      )
      break
    case 'coverage-gap':
      log.error(
        {
          event: named('coverage_gap'),
          timeline: event.timeline,
          from: formatLsn(event.from),
          lsn: formatLsn(event.to),
        },
        `WAL from ${formatLsn(event.from)} to ${formatLsn(event.to)} is neither in the directory nor in the archive`,
      )
      break
    case 'history-missing':
      log.error(
        { event: named('history_missing'), timeline: event.timeline },
        `the history file of timeline ${event.timeline} is neither in the directory nor in the archive`,
      )
      break
    case 'segment-removed':
      log.debug(
        { event: named('segment_removed'), segment: event.name },
        `removed ${event.name}: it is archived`,
      )
      break
    case 'warning':
      log.warn({ event: named('warning'), ...errorFields(event.error) }, event.error.message)
      break
  }
}
