import { formatLsn, INVALID_LSN, type Lsn, parseLsn } from '../wal/index.js'
import { ProtocolError, UsageError } from './errors.js'
import { type PluginOptionValue, pluginOptions, quoteIdentifier } from './quote.js'
import { type RawResult, singleRow } from './simple-query.js'

/**
 * The replication commands (PostgreSQL chapter 54.4) as pairs: text to send, and
 * understanding of the answer. Column types and command tags differ between versions, so
 * only the text of the values counts.
 */

export interface SystemIdentity {
  /** Identifies the cluster: made at initdb time and never changed. */
  readonly systemId: string
  readonly timeline: number
  /** Flush position of the server. */
  readonly xlogPos: Lsn
  /** Null on a physical connection. */
  readonly dbName: string | null
}

export function parseIdentifySystem(results: readonly RawResult[]): SystemIdentity {
  const [systemId, timeline, xlogPos, dbName] = singleRow(results, 3, 'could not identify system')
  if (!/^[0-9]{1,20}$/.test(systemId ?? ''))
    throw new ProtocolError(`server sent an invalid system identifier "${cut(systemId ?? '')}"`)
  return {
    systemId: systemId!,
    timeline: parseTimeline(timeline ?? ''),
    xlogPos: parsePosition(xlogPos ?? '', 'IDENTIFY_SYSTEM'),
    dbName: dbName ?? null,
  }
}

export interface PhysicalSlot {
  readonly slotType: 'physical'
  /** Null when nothing is reserved: never used yet, or invalidated. */
  readonly restartLsn: Lsn | null
  readonly restartTli: number | null
}

export function readReplicationSlotCommand(slotName: string): string {
  return `READ_REPLICATION_SLOT ${quoteIdentifier(slotName, 'replication slot name')}`
}

/** @returns null when there is no such slot */
export function parseReadReplicationSlot(results: readonly RawResult[]): PhysicalSlot | null {
  const [slotType, restartLsn, restartTli] = singleRow(results, 3, 'could not read replication slot')
  if (slotType == null) return null
  return {
    slotType: 'physical',
    restartLsn: restartLsn == null ? null : parsePosition(restartLsn, 'READ_REPLICATION_SLOT'),
    restartTli: restartTli == null ? null : parseTimeline(restartTli),
  }
}

export interface TimelineHistory {
  readonly fileName: string
  /** The server's file, byte for byte: restore point names may be in any encoding. */
  readonly content: Buffer
}

export function timelineHistoryCommand(timeline: number): string {
  return `TIMELINE_HISTORY ${checkTimeline(timeline)}`
}

export function parseTimelineHistory(results: readonly RawResult[]): TimelineHistory {
  const [fileName] = singleRow(results, 2, 'could not fetch timeline history')
  const content = results[0]?.rows[0]?.[1]
  if (fileName == null || content == null)
    throw new ProtocolError('timeline history without a name or content')
  return { fileName, content }
}

export interface CreatedSlot {
  readonly slotName: string
  /** 0/0 for physical slots. */
  readonly consistentPoint: Lsn
  readonly snapshotName: string | null
  readonly outputPlugin: string | null
  /** False when it was there already and that was accepted. */
  readonly created: boolean
}

export function parseCreateReplicationSlot(results: readonly RawResult[]): CreatedSlot {
  const [slotName, consistentPoint, snapshotName, outputPlugin] = singleRow(
    results,
    4,
    'could not create replication slot',
  )
  return {
    slotName: slotName ?? '',
    consistentPoint:
      consistentPoint == null ? INVALID_LSN : parsePosition(consistentPoint, 'CREATE_REPLICATION_SLOT'),
    snapshotName: snapshotName ?? null,
    outputPlugin: outputPlugin ?? null,
    created: true,
  }
}

export interface PhysicalStart {
  readonly slotName?: string
  readonly startLsn: Lsn
  /** Absent: the server's current timeline. */
  readonly timeline?: number
}

export function startPhysicalCommand(start: PhysicalStart): string {
  let command = 'START_REPLICATION'
  if (start.slotName) command += ` SLOT ${quoteIdentifier(start.slotName, 'replication slot name')}`
  command += ` ${formatLsn(start.startLsn)}`
  if (start.timeline) command += ` TIMELINE ${checkTimeline(start.timeline)}`
  return command
}

export interface LogicalStart {
  readonly slotName: string
  /** 0: where the slot is. */
  readonly startLsn: Lsn
  readonly options?: Readonly<Record<string, PluginOptionValue>>
}

export function startLogicalCommand(start: LogicalStart): string {
  const slot = quoteIdentifier(start.slotName, 'replication slot name')
  return `START_REPLICATION SLOT ${slot} LOGICAL ${formatLsn(start.startLsn)}${pluginOptions(start.options ?? {})}`
}

/** Where the next timeline begins, sent when the one being streamed has ended. */
export interface NextTimeline {
  readonly nextTimeline: number
  readonly nextTimelineStart: Lsn
}

export function parseNextTimeline(row: readonly (Buffer | null)[]): NextTimeline {
  const [timeline, start] = row
  if (timeline == null || start == null)
    throw new ProtocolError('unexpected result set after end-of-timeline')
  return {
    nextTimeline: parseTimeline(timeline.toString('latin1')),
    nextTimelineStart: parsePosition(start.toString('latin1'), 'end of timeline'),
  }
}

/** What is enough of a text that makes no sense. */
function cut(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}...` : text
}

function checkTimeline(timeline: number): number {
  if (!Number.isInteger(timeline) || timeline < 1 || timeline > 0xffff_ffff) {
    throw new UsageError(`timeline ${timeline} is out of range 1..4294967295`)
  }
  return timeline
}

function parseTimeline(text: string): number {
  // Versions before 16 send a signed 32-bit integer.
  const value = /^-?\d{1,10}$/.test(text) ? Number(text) : 0
  const timeline = value < 0 ? value + 0x1_0000_0000 : value
  if (timeline < 1 || timeline > 0xffff_ffff)
    throw new ProtocolError(`server sent an invalid timeline "${cut(text)}"`)
  return timeline
}

function parsePosition(text: string, what: string): Lsn {
  try {
    return parseLsn(text)
  } catch (cause) {
    throw new ProtocolError(`${what}: server sent an invalid position "${cut(text)}"`, { cause })
  }
}

/**
 * A duration setting as SHOW prints it (`1min`, `4s`, `500ms`, `0`) in milliseconds.
 *
 * @returns null when it is not understood
 */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d+)(us|ms|s|min|h|d)?$/.exec(text)
  if (match === null) return null
  const factor = { us: 0.001, ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] ?? 'ms']!
  return Number(match[1]) * factor
}

/**
 * `wal_segment_size` as SHOW prints it (`16MB`, `1GB`), in bytes.
 *
 * @returns null when it is not understood
 */
export function parseSegmentSize(text: string): number | null {
  const match = /^(\d+)(kB|MB|GB|B)$/.exec(text)
  if (match === null) return null
  return (
    Number(match[1]) * { B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }[match[2] as 'B' | 'kB' | 'MB' | 'GB']
  )
}
