import type { Logger } from 'pino'
import type { WalshipError } from '../base/index.js'
import type { ReceiveEvent } from '../receive/index.js'
import { formatLsn } from '../wal/index.js'
import type { LogEventName } from './log-event-names.js'

/** Logs what happens while receiving, under the names of log-event-names.ts. */
export function logEvent(log: Logger, event: ReceiveEvent): void {
  switch (event.kind) {
    case 'streaming-started':
      log.info(
        { event: named('streaming_started'), origin: event.origin, ...position(event) },
        `streaming from ${formatLsn(event.lsn)} on timeline ${event.timeline}`,
      )
      break
    case 'segment-finished':
      log.info(
        { event: named('segment_finished'), segment: event.name, ...position(event) },
        `finished segment ${event.name}`,
      )
      break
    case 'timeline-switched':
      log.info(
        { event: named('timeline_switched'), ...position(event) },
        `switched to timeline ${event.timeline} at ${formatLsn(event.lsn)}`,
      )
      break
    case 'branch-left': {
      const { timeline, nextTimeline } = event
      const [switchLsn, lsn] = [formatLsn(event.switchLsn), formatLsn(event.lsn)]
      log.warn(
        { event: named('branch_left'), timeline, switchLsn, lsn, nextTimeline },
        `the server left timeline ${timeline} at ${switchLsn}: what was written on it behind that is lost there, and kept here up to ${lsn}`,
      )
      break
    }
    case 'segment-left-partial':
      log.info(
        { event: named('segment_left_partial'), segment: event.name },
        `left ${event.name} open for later: the segment is not complete`,
      )
      break
    case 'segment-skipped':
      log.warn({ event: named('segment_skipped'), file: event.name }, event.reason)
      break
    case 'stopping':
      log.info(
        { event: named('stopping'), cause: event.cause, ...position(event) },
        event.cause === 'interrupt' ? 'stopping on request' : 'stopping at the end position',
      )
      break
    case 'stopped':
      log.info(
        { event: named('stopped'), cause: event.cause, ...position(event) },
        `stopped at ${formatLsn(event.lsn)} on timeline ${event.timeline}`,
      )
      break
    case 'slot-created':
      log.warn(
        { event: named('slot_created'), slot: event.slotName },
        `made replication slot "${event.slotName}", which was missing`,
      )
      break
    case 'standing-by':
      log.info({ event: named('standing_by'), waitsFor: event.waitsFor }, `standing by: ${event.text}`)
      break
    case 'paused':
      log.error(
        { event: named('paused'), freeBytes: event.freeBytes },
        `only ${event.freeBytes} bytes are free: nothing is received until there is more room`,
      )
      break
    case 'resumed':
      log.info(
        { event: named('resumed'), freeBytes: event.freeBytes },
        'there is room again: receiving goes on',
      )
      break
    case 'wal-suspect':
      log.warn(
        { event: named('wal_suspect'), ...problemFields(event) },
        `received damaged WAL, fetching it again: ${event.problem.text}`,
      )
      break
    case 'wal-healed':
      log.warn(
        { event: named('wal_healed'), ...problemFields(event) },
        `WAL that was damaged came whole at the second time: look at the network and at memory`,
      )
      break
    case 'wal-damaged':
      log.error(
        {
          event: named('wal_damaged'),
          ...problemFields(event),
          segments: event.segments,
          hint: DAMAGED_HINT,
        },
        `the server holds damaged WAL: ${event.problem.text}`,
      )
      break
    case 'warning':
      log.warn({ event: named('warning'), ...errorFields(event.error) }, event.error.message)
      break
    case 'error':
      log.error({ event: named('attempt_failed'), ...errorFields(event.error) }, event.error.message)
      break
    case 'retrying':
      log.info(
        { event: named('retrying'), delayMs: event.delayMs, attempt: event.attempt, code: event.error.code },
        `trying again in ${(event.delayMs / 1000).toFixed(1)} s`,
      )
      break
  }
}

const DAMAGED_HINT =
  "no recovery gets beyond it: look at the server's disk and memory, and take a new base backup"

function problemFields({ problem, timeline }: Extract<ReceiveEvent, { problem: unknown }>) {
  const { kind, lsn, segment, text } = problem
  return { problem: kind, lsn: formatLsn(lsn), timeline, segment, text }
}

/** Lets the compiler find a name that is not on the list. */
export function named(name: LogEventName): LogEventName {
  return name
}

function position(at: { readonly lsn: Parameters<typeof formatLsn>[0]; readonly timeline: number }) {
  return { lsn: formatLsn(at.lsn), timeline: at.timeline }
}

/** What programs can use of an error; its message is the record's own text. */
export function errorFields(error: WalshipError): Record<string, unknown> {
  const { code, hint, retryable, context, cause } = error
  const sqlState = 'sqlState' in error ? error.sqlState : undefined
  return {
    code,
    sqlState,
    hint,
    retryable,
    context: Object.keys(context).length === 0 ? undefined : context,
    cause: cause instanceof Error ? cause.message : undefined,
  }
}
