import type { Lsn } from './lsn.js'

/**
 * WAL segment arithmetic and file names. The segment size is a parameter everywhere: it is
 * fixed per cluster at initdb time, a power of two from 1 MB to 1 GB.
 * PostgreSQL: src/include/access/xlog_internal.h (XLByteToSeg, XLogFileName and relatives).
 */
export const MIN_SEGMENT_SIZE = 1024 * 1024
export const MAX_SEGMENT_SIZE = 1024 * 1024 * 1024

/** The segment size of servers before version 11 that were not built otherwise, in bytes. */
export const DEFAULT_SEGMENT_SIZE = 16 * 1024 * 1024

export function isValidSegmentSize(byteCount: number): boolean {
  return (
    Number.isInteger(byteCount) &&
    byteCount >= MIN_SEGMENT_SIZE &&
    byteCount <= MAX_SEGMENT_SIZE &&
    (byteCount & (byteCount - 1)) === 0
  )
}

/** Number of the segment that holds the byte at `lsn`. */
export function segmentNumber(lsn: Lsn, segmentSize: number): bigint {
  return lsn / BigInt(segmentSize)
}

/** Position of the first byte of a segment. */
export function segmentStart(segment: bigint, segmentSize: number): Lsn {
  return (segment * BigInt(segmentSize)) as Lsn
}

/** `lsn` rounded down to the first byte of its segment. */
export function segmentFloor(lsn: Lsn, segmentSize: number): Lsn {
  return (lsn - (lsn % BigInt(segmentSize))) as Lsn
}

/** Offset of `lsn` within its segment, in bytes. */
export function segmentOffset(lsn: Lsn, segmentSize: number): number {
  return Number(lsn % BigInt(segmentSize))
}

function hex8(value: bigint | number): string {
  return value.toString(16).toUpperCase().padStart(8, '0')
}

/** The 24 digit file name of a segment on a timeline. */
export function segmentFileName(timeline: number, segment: bigint, segmentSize: number): string {
  const segmentsPerId = 0x1_0000_0000n / BigInt(segmentSize)
  return hex8(timeline) + hex8(segment / segmentsPerId) + hex8(segment % segmentsPerId)
}

export interface SegmentName {
  readonly timeline: number
  readonly segment: bigint
}

/** True for exactly 24 upper-case hexadecimal digits; lower case is no WAL file to PostgreSQL. */
export function isSegmentFileName(name: string): boolean {
  return /^[0-9A-F]{24}$/.test(name)
}

/**
 * Timeline and segment number from a 24 digit file name.
 *
 * @returns null when it is not such a name
 */
export function parseSegmentFileName(name: string, segmentSize: number): SegmentName | null {
  if (!isSegmentFileName(name)) return null
  const segmentsPerId = 0x1_0000_0000n / BigInt(segmentSize)
  const high = BigInt(`0x${name.slice(8, 16)}`)
  const low = BigInt(`0x${name.slice(16, 24)}`)
  return { timeline: Number.parseInt(name.slice(0, 8), 16), segment: high * segmentsPerId + low }
}

/** File name of a timeline's history: `00000002.history`. */
export function historyFileName(timeline: number): string {
  return `${hex8(timeline)}.history`
}
