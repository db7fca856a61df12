import { LONG_PAGE_HEADER_SIZE, type Lsn, lsnAdd, segmentFloor } from '../wal/index.js'
import { extendCrc32c } from './crc32c.js'
import { uint32 } from './page-check.js'
import {
  RECORD_ALIGNMENT,
  RECORD_CRC_OFFSET,
  RECORD_HEADER_SIZE,
  RM_DATABASE,
  RM_HEAP,
  RM_TRANSACTION,
  RM_XLOG,
} from './record-format.js'
import { CUT_LIMIT, type SegmentIndex } from './segment-index.js'
import { WalRecord } from './wal-record.js'

/** Managers whose records an index tells of. */
const INDEXED_MANAGERS = new Set([RM_TRANSACTION, RM_XLOG, RM_HEAP, RM_DATABASE])

/**
 * The record that goes over the end of a segment, put together from the indexes of both: no index counts it.
 *
 * @param next the next segment's index; null when it is not known
 * @returns null when there is none, or none of those that an index tells of; `unknown` when the two do not hold
 *   it: then it is to be read from the segments
 */
export function recordBetween(
  index: SegmentIndex,
  next: SegmentIndex | null,
  segmentSize: number,
): WalRecord | 'unknown' | null {
  const { unfinished } = index
  if (unfinished === null) return null
  const rest = next?.rest ?? null
  const bytes = Buffer.concat([unfinished.bytes, rest?.bytes ?? Buffer.alloc(0)])
  if (bytes.length >= RECORD_HEADER_SIZE) {
    const manager = bytes[17]!
    const mayBeLong = manager === RM_TRANSACTION
    if (!INDEXED_MANAGERS.has(manager) || (!mayBeLong && uint32(bytes, 0) > CUT_LIMIT)) return null
  }
  // The server crashed in between when the next one does not go on with it.
  if (rest === null) return next === null ? 'unknown' : null
  const length = unfinished.length + rest.length
  if (length !== uint32(bytes, 0)) return next!.firstLsn === null ? 'unknown' : null
  if (bytes.length !== length || !isRightCrc(bytes)) return 'unknown'
  const high = Number(unfinished.lsn >> 32n)
  const low = Number(unfinished.lsn & 0xffff_ffffn)
  const end = segmentFloor(unfinished.lsn, segmentSize) + BigInt(segmentSize + LONG_PAGE_HEADER_SIZE)
  const alignedRest = Math.ceil(rest.length / RECORD_ALIGNMENT) * RECORD_ALIGNMENT
  return new WalRecord(high, low, lsnAdd(end as Lsn, alignedRest), bytes, index.magic)
}

function isRightCrc(bytes: Buffer): boolean {
  const body = extendCrc32c(0, bytes, RECORD_HEADER_SIZE, bytes.length)
  return extendCrc32c(body, bytes, 0, RECORD_CRC_OFFSET) >>> 0 === uint32(bytes, RECORD_CRC_OFFSET)
}
