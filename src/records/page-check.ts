import {
  formatLsn,
  LONG_PAGE_HEADER_SIZE,
  type Lsn,
  SHORT_PAGE_HEADER_SIZE,
  XLP_ALL_FLAGS,
  XLP_FIRST_IS_CONTRECORD,
  XLP_FIRST_IS_OVERWRITE_CONTRECORD,
  XLP_LONG_HEADER,
} from '../wal/index.js'
import type { LineageRange } from './lineage.js'
import { majorOfPageMagic } from './server-version.js'
import type { WalProblemKind } from './wal-problem.js'

/** What is wrong, before it has a place. */
export interface Fault {
  readonly kind: WalProblemKind
  readonly text: string
}

/** What a page has to say of itself. */
export interface PageExpectation {
  /** 0 takes what the page says, if walship knows that version. */
  readonly magic: number
  readonly segmentSize: number
  readonly walBlockSize: number
  /** Undefined takes any. */
  readonly systemIdentifier: bigint | undefined
  /** The timelines the page may be of. */
  readonly timelines: LineageRange
}

export function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

export function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

export function uint64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(uint32(bytes, at + 4)) << 32n) | BigInt(uint32(bytes, at))
}

/**
 * Checks a page's header by itself: everything but how it fits to the record before.
 * PostgreSQL: src/backend/access/transam/xlogreader.c (XLogReaderValidatePageHeader). Stricter where what a
 * server writes leaves no choice: which pages have a long header, which timeline a page is of, and
 * that there is a rest of a record exactly where the flag says so.
 *
 * @param bytes hold the whole header at `at`
 * @param address high and low half of the page's position
 * @returns null when nothing is wrong
 */
export function pageFault(
  bytes: Uint8Array,
  at: number,
  high: number,
  low: number,
  expected: PageExpectation,
): Fault | null {
  const magic = uint16(bytes, at)
  if (magic !== expected.magic) {
    const shown = magic.toString(16).toUpperCase().padStart(4, '0')
    if (expected.magic !== 0)
      return header(`page has magic number ${shown} in place of ${expected.magic.toString(16).toUpperCase()}`)
    if (majorOfPageMagic(magic) === null) return header(`page has unknown magic number ${shown}`)
  }
  const info = uint16(bytes, at + 2)
  const isFirst = low % expected.segmentSize === 0
  if ((info & ~XLP_ALL_FLAGS) !== 0 || ((info & XLP_LONG_HEADER) !== 0) !== isFirst)
    return header(`page has flags 0x${info.toString(16)}`)
  if (uint32(bytes, at + 8) !== low || uint32(bytes, at + 12) !== high)
    return header(`page says that it is the one at ${formatLsn(uint64(bytes, at + 8) as Lsn)}`)
  const timeline = uint32(bytes, at + 4)
  const { lowest, highest } = expected.timelines
  if (timeline < lowest || timeline > highest) {
    const range = lowest === highest ? `${highest}` : `${lowest} to ${highest}`
    return { kind: 'timeline', text: `page is of timeline ${timeline} in place of ${range}` }
  }
  const remaining = uint32(bytes, at + 16)
  const continues = (info & XLP_FIRST_IS_CONTRECORD) !== 0
  if (continues !== remaining > 0 || (continues && (info & XLP_FIRST_IS_OVERWRITE_CONTRECORD) !== 0))
    return header(`page has flags 0x${info.toString(16)} and ${remaining} bytes of a record that goes on`)
  return isFirst ? clusterFault(bytes, at, expected) : null
}

/** The fields that only the first page of a segment has. */
function clusterFault(bytes: Uint8Array, at: number, expected: PageExpectation): Fault | null {
  const { systemIdentifier, segmentSize, walBlockSize } = expected
  const found = uint64(bytes, at + 24)
  if (systemIdentifier !== undefined && found !== systemIdentifier)
    return other(`page is of the cluster with system identifier ${found} in place of ${systemIdentifier}`)
  const foundSize = uint32(bytes, at + 32)
  if (foundSize !== segmentSize)
    return other(`page is of a cluster with segments of ${foundSize} bytes in place of ${segmentSize}`)
  const foundBlock = uint32(bytes, at + 36)
  if (foundBlock !== walBlockSize)
    return other(`page is of a cluster with WAL pages of ${foundBlock} bytes in place of ${walBlockSize}`)
  return null
}

function header(text: string): Fault {
  return { kind: 'page-header', text }
}

function other(text: string): Fault {
  return { kind: 'other-cluster', text }
}

/**
 * True where nothing was ever written: the header of a page or record is zero. One byte may be something else: a
 * bit that fell over behind the end of WAL is not a record.
 */
export function isBlank(bytes: Uint8Array, at: number): boolean {
  let strayBytes = 0
  for (let i = at; i < at + SHORT_PAGE_HEADER_SIZE; i++) if (bytes[i] !== 0 && ++strayBytes > 1) return false
  return true
}

/** @param offset of the page in its segment */
export function pageHeaderSize(offset: number): number {
  return offset === 0 ? LONG_PAGE_HEADER_SIZE : SHORT_PAGE_HEADER_SIZE
}
