import { formatLsn, type Lsn } from '../wal/index.js'
import { type Fault, uint32, uint64 } from './page-check.js'
import {
  isValidResourceManager,
  MAX_RECORD_SIZE,
  RECORD_HEADER_SIZE,
  RESOURCE_MANAGER_INFO_MASK,
  RM_XLOG,
  XLOG_OVERWRITE_CONTRECORD,
} from './record-format.js'

/** Where a record stands, and what is known of the one before it; positions as high and low half. */
export interface RecordContext {
  readonly high: number
  readonly low: number
  /** False where the record before is not known: then its position only has to be lower. */
  readonly chained: boolean
  readonly lastHigh: number
  readonly lastLow: number
  /** The page has announced the record that takes the place of one that was given up. */
  readonly overwriting: boolean
  /** of the page */
  readonly magic: number
}

/**
 * Checks a record's header as far as that is possible without its checksum: mostly, that there is a header at all.
 * PostgreSQL: src/backend/access/transam/xlogreader.c (ValidXLogRecordHeader).
 *
 * @param bytes hold the whole header at `at`
 * @returns null when nothing is wrong
 */
export function recordHeaderFault(bytes: Uint8Array, at: number, context: RecordContext): Fault | null {
  const length = uint32(bytes, at)
  if (length < RECORD_HEADER_SIZE || length > MAX_RECORD_SIZE)
    return { kind: 'record-header', text: `record has impossible length ${length}` }
  const prevLow = uint32(bytes, at + 8)
  const prevHigh = uint32(bytes, at + 12)
  const { high, low, chained, lastHigh, lastLow } = context
  if (chained ? prevLow !== lastLow || prevHigh !== lastHigh : !isBelow(prevHigh, prevLow, high, low)) {
    const prev = formatLsn(uint64(bytes, at + 8) as Lsn)
    const last = formatLsn(((BigInt(lastHigh) << 32n) | BigInt(lastLow)) as Lsn)
    const expected = chained ? `is ${last}` : 'must lie before it'
    return { kind: 'prev-link', text: `record names ${prev} as the one before it, which ${expected},` }
  }
  const manager = bytes[at + 17]!
  if (!isValidResourceManager(manager, context.magic))
    return { kind: 'record-header', text: `record has resource manager ${manager}, which does not exist,` }
  const info = bytes[at + 16]! & RESOURCE_MANAGER_INFO_MASK
  if (context.overwriting && (manager !== RM_XLOG || info !== XLOG_OVERWRITE_CONTRECORD))
    return { kind: 'continuation', text: 'record that was to say which one was given up is another one' }
  return null
}

function isBelow(high: number, low: number, otherHigh: number, otherLow: number): boolean {
  return high < otherHigh || (high === otherHigh && low < otherLow)
}
