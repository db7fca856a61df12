import type { Lsn } from './lsn.js'
import { isValidSegmentSize } from './segment.js'

/**
 * The header of the first page of a segment, which names the cluster the segment is from.
 * PostgreSQL: src/include/access/xlog_internal.h (XLogLongPageHeaderData).
 */
export interface LongPageHeader {
  /** Format of the page; changes with each PostgreSQL major, 0xD110 for 15. */
  readonly magic: number
  /** Timeline of the page's first record; below the one in the file name after a promotion. */
  readonly timeline: number
  /** Position of the page, that is of the segment. */
  readonly pageAddress: Lsn
  readonly systemIdentifier: bigint
  /** bytes */
  readonly segmentSize: number
  /** bytes */
  readonly walBlockSize: number
}

/** Bytes needed to read a long page header. */
export const LONG_PAGE_HEADER_SIZE = 40
/** Bytes of the header of every other page; the first of a long one are the same. */
export const SHORT_PAGE_HEADER_SIZE = 24

/** The page begins with the rest of a record that began before it. */
export const XLP_FIRST_IS_CONTRECORD = 0x0001
/** The first page of a segment. */
export const XLP_LONG_HEADER = 0x0002
/** Where the rest of a record should be, another record begins: the server crashed in between and wrote on here. */
export const XLP_FIRST_IS_OVERWRITE_CONTRECORD = 0x0008
/** With XLP_BKP_REMOVABLE (0x0004), which may be there or not on any page and means nothing to a recovery. */
export const XLP_ALL_FLAGS = 0x000f
/** The page size of every server that was not built otherwise, in bytes. */
export const DEFAULT_WAL_BLOCK_SIZE = 8192
const MAX_WAL_BLOCK_SIZE = 64 * 1024

/**
 * Reads a long page header written by a server of either byte order.
 *
 * @param bytes the beginning of a segment
 * @returns null when the bytes are no such header: too few, all zero, damaged
 */
export function parseLongPageHeader(bytes: Uint8Array): LongPageHeader | null {
  if (bytes.length < LONG_PAGE_HEADER_SIZE) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return readHeader(view, true) ?? readHeader(view, false)
}

/** The sizes are powers of two within narrow limits, so at most one byte order makes sense of them. */
function readHeader(view: DataView, littleEndian: boolean): LongPageHeader | null {
  const magic = view.getUint16(0, littleEndian)
  const info = view.getUint16(2, littleEndian)
  const segmentSize = view.getUint32(32, littleEndian)
  const walBlockSize = view.getUint32(36, littleEndian)
  const pageAddress = view.getBigUint64(8, littleEndian) as Lsn
  const plausible =
    magic !== 0 &&
    (info & XLP_LONG_HEADER) !== 0 &&
    (info & ~XLP_ALL_FLAGS) === 0 &&
    isValidSegmentSize(segmentSize) &&
    isValidWalBlockSize(walBlockSize) &&
    pageAddress % BigInt(segmentSize) === 0n
  if (!plausible) return null
  return {
    magic,
    timeline: view.getUint32(4, littleEndian),
    pageAddress,
    systemIdentifier: view.getBigUint64(24, littleEndian),
    segmentSize,
    walBlockSize,
  }
}

function isValidWalBlockSize(byteCount: number): boolean {
  return byteCount >= 1024 && byteCount <= MAX_WAL_BLOCK_SIZE && (byteCount & (byteCount - 1)) === 0
}
