import { formatLsn, type Lsn, lsnMin, segmentFloor, segmentOffset } from '../wal/index.js'
import { pageHeaderSize } from './page-check.js'
import { type WalProblem, type WalProblemKind, walProblem } from './wal-problem.js'

/** What comes next, page headers apart. From BAD_PAGE on, page headers are not looked at either. */
export const RECORD_START = 0
export const RECORD_HEADER = 1
export const RECORD_BODY = 2
/** Zeros up to the next record. */
export const PADDING = 3
/** The rest of a record that cannot be checked, because its beginning was not seen. */
export const REST = 4
/** Behind the end of WAL. */
export const ZEROS = 5
/** What is left of a page that cannot be used. */
export const BAD_PAGE = 6
/** What is left of a segment behind a switch: nobody ever reads it, and after a crash it may hold anything. */
export const SWITCHED = 7

export interface ScanStateOptions {
  /** bytes */
  readonly segmentSize: number
  /** bytes */
  readonly pageSize: number
  readonly timeline: number
  /** The server's, when it is known. */
  readonly magic: number
  readonly zeros: 'end' | 'problem'
  onProblem?(problem: WalProblem): void
}

/** Where a scan of WAL is, what it expects next, and what it has found: what its parts share. */
export class ScanState {
  readonly options: ScanStateOptions
  next = RECORD_START
  /** First byte of all. */
  startLsn: Lsn | null = null
  // The position: the segment's start in two halves, and the offset in the segment.
  high = 0
  low = 0
  offset = 0
  /** The present record, and what it must fit to; see RecordContext. */
  readonly record = {
    high: 0,
    low: 0,
    chained: false,
    lastHigh: 0,
    lastLow: 0,
    overwriting: false,
    magic: 0,
  }
  /** Bytes of PADDING or REST still to come. */
  toSkip = 0
  zerosFrom: Lsn | null = null

  /** Good records so far. */
  records = 0
  strayPadding = 0
  behindEnd = 0
  overwritten = 0

  /** The problem that no good record has ended yet. */
  #problem: WalProblem | null = null
  #failedAt: Lsn | null = null

  constructor(options: ScanStateOptions) {
    this.options = options
    this.record.magic = options.magic
  }

  begin(lsn: Lsn): void {
    const { segmentSize, pageSize } = this.options
    const floor = segmentFloor(lsn, segmentSize)
    this.startLsn = lsn
    this.high = Number(floor >> 32n)
    this.low = Number(floor & 0xffff_ffffn)
    this.offset = segmentOffset(lsn, segmentSize)
    // A record could begin anywhere on the page; the next one says where.
    if ((this.offset & (pageSize - 1)) !== 0) this.next = BAD_PAGE
  }

  /** A page was taken to its end. */
  endPage(): void {
    if (this.next === BAD_PAGE) this.next = RECORD_START
    const { segmentSize } = this.options
    if (this.offset !== segmentSize) return
    if (this.next === SWITCHED) this.next = RECORD_START
    this.offset = 0
    this.low += segmentSize
    if (this.low === 0x1_0000_0000) {
      this.low = 0
      this.high++
    }
  }

  /** The beginning of a record was seen, and not yet its end. */
  get isInRecord(): boolean {
    return this.next === RECORD_HEADER || this.next === RECORD_BODY
  }

  get position(): Lsn {
    return this.lsnAt(this.offset)
  }

  /** Of the present record. */
  get recordLsn(): Lsn {
    return toLsn(this.record.high, this.record.low)
  }

  /** See WalScanner. */
  get verifiedLsn(): Lsn | null {
    if (this.#failedAt !== null || this.startLsn === null) return this.#failedAt
    if (this.isInRecord) return this.recordLsn
    if (this.next === REST || this.next === BAD_PAGE) return this.startLsn
    if (this.next === ZEROS) return this.zerosFrom
    const inPage = this.offset & (this.options.pageSize - 1)
    const isCut = this.next === RECORD_START && inPage < pageHeaderSize(this.offset - inPage)
    return this.lsnAt(isCut ? this.offset - inPage : this.offset)
  }

  lsnAt(offset: number): Lsn {
    return toLsn(this.high, this.low + offset)
  }

  enterZeros(lsn: Lsn): void {
    if (this.options.zeros === 'problem') {
      this.fail('zeros', lsn, 'nothing but zeros where a record must begin')
      this.next = BAD_PAGE
    } else {
      this.zerosFrom ??= lsn
      this.next = ZEROS
    }
  }

  /**
   * Whether zeros were the end of WAL shows at the next page that is written: a stray bit is nothing that a recovery
   * would ever see, but a page that belongs here is WAL that cannot be reached.
   */
  leaveZeros(pageLsn: Lsn): void {
    const until = formatLsn(pageLsn)
    this.fail('zeros', this.zerosFrom!, `nothing but zeros up to ${until} where a record must begin`)
    this.zerosFrom = null
    this.next = RECORD_START
  }

  /** No good record has ended the last problem yet. */
  get isInTrouble(): boolean {
    return this.#problem !== null
  }

  /** Something is wrong. What else is, until the next good record, belongs to the same problem. */
  fail(kind: WalProblemKind, lsn: Lsn, text: string, detectedAt: Lsn = this.position): void {
    this.#failedAt ??= lsnMin(this.verifiedLsn!, lsn)
    this.record.chained = false
    if (this.#problem !== null) return
    const { timeline, segmentSize, onProblem } = this.options
    this.#problem = walProblem(kind, { lsn, detectedAt, timeline, segmentSize }, text)
    onProblem?.(this.#problem)
  }

  /** The present record is a good one. */
  passRecord(): void {
    this.records++
    if (this.#problem === null) return
    this.#problem.resumedAt = this.recordLsn
    this.#problem = null
  }
}

export function toLsn(high: number, low: number): Lsn {
  return ((BigInt(high) << 32n) + BigInt(low)) as Lsn
}

/** How many of the bytes are not zero. */
export function nonZeroCount(bytes: Uint8Array, from: number, to: number): number {
  let count = 0
  for (let at = from; at < to; at++) if (bytes[at] !== 0) count++
  return count
}
