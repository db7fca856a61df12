import { formatLsn, formatPgTime, parseLsn, parsePgTime } from '../wal/index.js'
import type { CutRecord, SegmentIndex } from './segment-index.js'

/** Goes up with every change of what is in an index, or of how it is found. */
export const INDEX_FORMAT = 1

/** The very segment that an index is of. */
export interface IndexedSegment {
  /** File name, 24 digits. */
  readonly segment: string
  /** SHA-256 of its bytes, hexadecimal. */
  readonly sha256: string
}

/** JSON for people and programs. Positions and times are text, as PostgreSQL prints them. */
export function formatSegmentIndex(index: SegmentIndex, { segment, sha256 }: IndexedSegment): Buffer {
  const { restorePoints, checkpoints, rest, unfinished } = index
  const value = {
    format: INDEX_FORMAT,
    segment,
    sha256,
    ...index,
    firstLsn: nullOr(index.firstLsn, formatLsn),
    lastLsn: nullOr(index.lastLsn, formatLsn),
    endLsn: nullOr(index.endLsn, formatLsn),
    firstCommitTime: nullOr(index.firstCommitTime, formatPgTime),
    lastCommitTime: nullOr(index.lastCommitTime, formatPgTime),
    restorePoints: restorePoints.map(({ name, lsn, time }) => {
      return { name, lsn: formatLsn(lsn), time: formatPgTime(time) }
    }),
    checkpoints: checkpoints.map(({ lsn, redo }) => ({ lsn: formatLsn(lsn), redo: formatLsn(redo) })),
    rest: nullOr(rest, cutToJson),
    unfinished: nullOr(unfinished, (cut) => ({ lsn: formatLsn(cut.lsn), ...cutToJson(cut) })),
  }
  return Buffer.from(`${JSON.stringify(value)}\n`)
}

/**
 * Reads an index back.
 *
 * @returns null for anything but an index of this format and of this very segment
 */
export function parseSegmentIndex(content: Buffer, of: IndexedSegment): SegmentIndex | null {
  try {
    const value = JSON.parse(content.toString('utf8'))
    const { format, segment, sha256, ...fields } = value
    if (format !== INDEX_FORMAT || segment !== of.segment || sha256 !== of.sha256) return null
    for (const name of ['magic', 'records', 'commits', 'fullPageImages'])
      if (!Number.isSafeInteger(fields[name])) return null
    const { oldestXid, newestXid, dropped } = fields
    if (!isIdOrNull(oldestXid) || !isIdOrNull(newestXid)) return null
    if (dropped !== null && !(Array.isArray(dropped) && dropped.every(Number.isSafeInteger))) return null
    return {
      ...fields,
      firstLsn: nullOr(fields.firstLsn, parseLsn),
      lastLsn: nullOr(fields.lastLsn, parseLsn),
      endLsn: nullOr(fields.endLsn, parseLsn),
      firstCommitTime: nullOr(fields.firstCommitTime, timeFrom),
      lastCommitTime: nullOr(fields.lastCommitTime, timeFrom),
      restorePoints: fields.restorePoints.map((point: Record<string, string>) => {
        return { name: String(point.name), lsn: parseLsn(point.lsn!), time: timeFrom(point.time!) }
      }),
      checkpoints: fields.checkpoints.map((point: Record<string, string>) => {
        return { lsn: parseLsn(point.lsn!), redo: parseLsn(point.redo!) }
      }),
      rest: nullOr(fields.rest, cutFromJson),
      unfinished: nullOr(fields.unfinished, (cut: CutJson & { lsn: string }) => {
        return { lsn: parseLsn(cut.lsn), ...cutFromJson(cut) }
      }),
    }
  } catch {
    // Not ours, or cut short: the segment says it anyway.
    return null
  }
}

function isIdOrNull(value: unknown): boolean {
  return value === null || Number.isSafeInteger(value)
}

interface CutJson {
  readonly length: number
  /** base64 */
  readonly bytes: string
}

function cutToJson({ length, bytes }: CutRecord): CutJson {
  return { length, bytes: bytes.toString('base64') }
}

function cutFromJson({ length, bytes }: CutJson): CutRecord {
  if (!Number.isSafeInteger(length)) throw new SyntaxError('a length is no number')
  return { length, bytes: Buffer.from(bytes, 'base64') }
}

function nullOr<From, To>(value: From | null, convert: (value: From) => To): To | null {
  return value === null ? null : convert(value)
}

function timeFrom(text: string): bigint {
  const time = parsePgTime(text)
  if (time === null) throw new SyntaxError(`invalid time "${text}"`)
  return time
}
