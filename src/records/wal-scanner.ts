import {
  type Ancestor,
  DEFAULT_WAL_BLOCK_SIZE,
  formatLsn,
  LONG_PAGE_HEADER_SIZE,
  type Lsn,
  lsnMax,
  lsnMin,
  segmentFloor,
  segmentOffset,
  XLP_FIRST_IS_CONTRECORD,
  XLP_FIRST_IS_OVERWRITE_CONTRECORD,
} from '../wal/index.js'
import { extendCrc32c } from './crc32c.js'
import { Lineage } from './lineage.js'
import { type Fault, isBlank, pageFault, pageHeaderSize, uint16, uint32 } from './page-check.js'
import { recordHeaderFault } from './record-check.js'
import {
  RECORD_ALIGNMENT,
  RECORD_CRC_OFFSET,
  RECORD_HEADER_SIZE,
  RESOURCE_MANAGER_INFO_MASK,
  RM_XLOG,
  XLOG_SWITCH,
} from './record-format.js'
import { type WalProblem, type WalProblemKind, walProblem } from './wal-problem.js'

export interface WalScannerOptions {
  /** bytes */
  readonly segmentSize: number
  /** The timeline whose files or stream this is. */
  readonly timeline: number
  /** What the timeline's history file says, oldest first; null or left out when it is not known. */
  readonly ancestors?: readonly Ancestor[] | null
  /** bytes; 8192 by default */
  readonly walBlockSize?: number
  /** Of the server's major, see pageMagicOfMajor; by default what the first page says. */
  readonly magic?: number
  readonly systemIdentifier?: bigint
  /**
   * What zeros are where a record should begin: the end of WAL so far, as in the last file of a directory, or a
   * problem, as in what a server sends. Zeros with something behind them are always a problem. Default `end`.
   */
  readonly zeros?: 'end' | 'problem'
  /** Called when a problem is found; the object's `resumedAt` is filled in later. */
  onProblem?(problem: WalProblem): void
}

/** What comes next, page headers apart. From BAD_PAGE on, page headers are not looked at either. */
const RECORD_START = 0
const RECORD_HEADER = 1
const RECORD_BODY = 2
/** Zeros up to the next record. */
const PADDING = 3
/** The rest of a record that cannot be checked, because its beginning was not seen. */
const REST = 4
/** Behind the end of WAL. */
const ZEROS = 5
/** What is left of a page that cannot be used. */
const BAD_PAGE = 6
/** What is left of a segment behind a switch: nobody ever reads it, and after a crash it may hold anything. */
const SWITCHED = 7

/** Bytes of a record's header that hold its length. They are never cut by a page's end. */
const LENGTH_SIZE = 4

/**
 * Walks through WAL as it comes, in pieces of any size, and checks it: pages, how records go on over them, the
 * chain of records, and every record's checksum. Nothing is copied but headers that the end of a piece or page cuts.
 * PostgreSQL: src/backend/access/transam/xlogreader.c.
 *
 * After a problem it goes on at the next page from which a record can be found; what else is wrong until the
 * first good record belongs to the same problem. Subclasses see the records.
 */
export abstract class WalScanner {
  readonly segmentSize: number
  readonly #pageSize: number
  readonly #options: WalScannerOptions
  readonly #lineage: Lineage
  readonly #page: Parameters<typeof pageFault>[4] & {
    magic: number
    timelines: ReturnType<Lineage['rangeAt']>
  }

  #next = RECORD_START
  #startLsn: Lsn | null = null
  // The position: the segment's start in two halves, and the offset in the segment.
  #high = 0
  #low = 0
  #offset = 0
  readonly #pageHead = Buffer.alloc(LONG_PAGE_HEADER_SIZE)
  #lastTimeline = 0

  /** What the present record must fit to; see RecordContext. */
  readonly #record = {
    high: 0,
    low: 0,
    chained: false,
    lastHigh: 0,
    lastLow: 0,
    overwriting: false,
    magic: 0,
  }
  readonly #recordHead = Buffer.alloc(RECORD_HEADER_SIZE)
  #recordLength = 0
  /** Bytes of the present record that were taken. */
  #recordTaken = 0
  #crc = 0
  /** Bytes of PADDING or REST still to come. */
  #toSkip = 0
  #zerosFrom: Lsn | null = null

  /** The problem that no good record has ended yet. */
  #problem: WalProblem | null = null
  #failedAt: Lsn | null = null

  #records = 0
  #strayPadding = 0
  #behindEnd = 0
  #overwritten = 0

  constructor(options: WalScannerOptions) {
    this.#options = options
    this.segmentSize = options.segmentSize
    this.#pageSize = options.walBlockSize ?? DEFAULT_WAL_BLOCK_SIZE
    this.#lineage = new Lineage(options.timeline, options.ancestors ?? null)
    this.#page = {
      magic: options.magic ?? 0,
      segmentSize: options.segmentSize,
      walBlockSize: this.#pageSize,
      systemIdentifier: options.systemIdentifier,
      timelines: { lowest: 1, highest: options.timeline },
    }
  }

  /** A record that lies whole in what was pushed; only good ones. Positions as high and low half. */
  protected abstract onWholeRecord(high: number, low: number, bytes: Buffer, at: number, length: number): void
  /** A part of a record that is cut; the first part begins with its length. */
  protected abstract onRecordPart(bytes: Buffer, from: number, to: number): void
  /** The parts so far are a good record. */
  protected abstract onJoinedRecord(high: number, low: number, length: number): void
  /** The parts so far are no good record. */
  protected abstract onDroppedRecord(): void

  /** End of what was pushed; null before that. */
  get position(): Lsn | null {
    return this.#startLsn === null ? null : this.#lsnAt(this.#offset)
  }

  /**
   * Everything from the start up to here was checked and found good: the end, with its padding, of the last record
   * that was complete, or the end of what followed a segment switch. It never passes the first problem.
   *
   * Not checked, and yet passed, is at most one thing: the rest of a record (or page) that began before the
   * start. Until its end it stays at the start.
   */
  get verifiedLsn(): Lsn | null {
    if (this.#failedAt !== null || this.#startLsn === null) return this.#failedAt
    if (this.#next === RECORD_HEADER || this.#next === RECORD_BODY) return this.#recordLsn()
    if (this.#next === REST || this.#next === BAD_PAGE) return this.#startLsn
    if (this.#next === ZEROS) return this.#zerosFrom
    const inPage = this.#offset & (this.#pageSize - 1)
    const cut = this.#next === RECORD_START && inPage < pageHeaderSize(this.#offset - inPage)
    return this.#lsnAt(cut ? this.#offset - inPage : this.#offset)
  }

  /** Where the last good record begins; null before the first. */
  get lastRecordLsn(): Lsn | null {
    return this.#records === 0 ? null : toLsn(this.#record.lastHigh, this.#record.lastLow)
  }

  /** Where a record begins that is not complete yet. */
  get unfinishedRecordLsn(): Lsn | null {
    return this.#next === RECORD_HEADER || this.#next === RECORD_BODY ? this.#recordLsn() : null
  }

  /** Where zeros begin that last until here: the end of WAL. Null when there are none. */
  get zerosFrom(): Lsn | null {
    return this.#zerosFrom
  }

  /** Good records so far. */
  get records(): number {
    return this.#records
  }

  /** Bytes of padding that are not zero: harmless to a recovery, yet no server writes them. */
  get strayPadding(): number {
    return this.#strayPadding
  }

  /** Bytes behind the end of WAL that are not zero: what a file that is used again held before. */
  get bytesBehindEnd(): number {
    return this.#behindEnd
  }

  /** Records that a crash cut short, as the page behind each of them says. */
  get overwrittenRecords(): number {
    return this.#overwritten
  }

  /** The server's page magic, once a page was seen or it was given; 0 before. */
  get magic(): number {
    return this.#page.magic
  }

  /**
   * Takes the next piece of WAL. The bytes are not kept beyond the call.
   *
   * @param lsn of the first byte. The first piece may begin anywhere; each further one where the last one ended.
   * @throws RangeError when the piece is not the next one
   */
  push(lsn: Lsn, bytes: Buffer): void {
    if (this.#startLsn === null) this.#begin(lsn)
    else if (lsn !== this.position)
      throw new RangeError(`WAL at ${formatLsn(lsn)} does not follow on ${formatLsn(this.position!)}`)
    const pageSize = this.#pageSize
    let at = 0
    while (at < bytes.length) {
      const inPage = this.#offset & (pageSize - 1)
      const headSize = this.#offset < pageSize ? pageHeaderSize(0) : pageHeaderSize(1)
      if (inPage < headSize && this.#next < BAD_PAGE) {
        at = this.#takePageHeader(bytes, at, inPage, headSize)
        continue
      }
      const from = at
      at = this.#takePage(bytes, at, Math.min(bytes.length, at + pageSize - inPage))
      if (at !== from && (this.#offset & (pageSize - 1)) === 0) this.#endPage()
    }
  }

  #begin(lsn: Lsn): void {
    const floor = segmentFloor(lsn, this.segmentSize)
    this.#startLsn = lsn
    this.#high = Number(floor >> 32n)
    this.#low = Number(floor & 0xffff_ffffn)
    this.#offset = segmentOffset(lsn, this.segmentSize)
    // A record could begin anywhere on the page; the next one says where.
    if ((this.#offset & (this.#pageSize - 1)) !== 0) this.#next = BAD_PAGE
  }

  #endPage(): void {
    if (this.#next === BAD_PAGE) this.#next = RECORD_START
    if (this.#offset !== this.segmentSize) return
    if (this.#next === SWITCHED) this.#next = RECORD_START
    this.#offset = 0
    this.#low += this.segmentSize
    if (this.#low === 0x1_0000_0000) {
      this.#low = 0
      this.#high++
    }
  }

  #takePageHeader(bytes: Buffer, at: number, inPage: number, headSize: number): number {
    const count = Math.min(headSize - inPage, bytes.length - at)
    this.#offset += count
    if (count === headSize) {
      this.#enterPage(bytes, at, headSize)
    } else {
      bytes.copy(this.#pageHead, inPage, at, at + count)
      if (inPage + count === headSize) this.#enterPage(this.#pageHead, 0, headSize)
    }
    return at + count
  }

  #enterPage(bytes: Buffer, at: number, headSize: number): void {
    const pageOffset = this.#offset - headSize
    const pageLsn = this.#lsnAt(pageOffset)
    if (this.#next === RECORD_START && isBlank(bytes, at)) {
      this.#enterZeros(pageLsn)
      return
    }
    this.#page.timelines = this.#lineage.rangeAt(pageLsn, this.#lastTimeline)
    const fault = pageFault(bytes, at, this.#high, this.#low + pageOffset, this.#page)
    if (this.#next === ZEROS) {
      if (fault === null) this.#leaveZeros(pageLsn)
      else this.#behindEnd += nonZeroCount(bytes, at, at + headSize)
    } else if (fault !== null) {
      this.#fail(fault.kind, pageLsn, fault.text)
      this.#next = BAD_PAGE
    }
    if (fault !== null) return
    this.#page.magic = this.#record.magic = uint16(bytes, at)
    this.#lastTimeline = uint32(bytes, at + 4)
    const remaining = uint32(bytes, at + 16)
    if ((uint16(bytes, at + 2) & XLP_FIRST_IS_OVERWRITE_CONTRECORD) !== 0) this.#enterOverwrite(pageLsn)
    else if ((uint16(bytes, at + 2) & XLP_FIRST_IS_CONTRECORD) === 0) this.#enterFresh(pageLsn)
    else this.#enterContinuation(pageLsn, remaining)
  }

  /** A page that goes on with nothing. */
  #enterFresh(pageLsn: Lsn): void {
    if (this.#next === RECORD_START) return
    const begun = this.#next === REST ? pageLsn : this.#recordLsn()
    this.#fail('continuation', begun, `record does not go on on the page at ${formatLsn(pageLsn)}: it began`)
    if (this.#next !== REST) this.onDroppedRecord()
    this.#next = RECORD_START
  }

  #enterContinuation(pageLsn: Lsn, remaining: number): void {
    if (this.#next === RECORD_START) {
      if (this.#record.chained)
        this.#fail('continuation', pageLsn, 'page goes on with a record that never began')
    } else if (this.#next === REST) {
      if (aligned(remaining) === this.#toSkip) return
      const lengths = `${remaining} bytes in place of ${this.#toSkip}`
      this.#fail('continuation', pageLsn, `page goes on with a record by ${lengths}`)
    } else {
      const expected = uint32(this.#recordHead, 0) - this.#recordTaken
      if (expected === remaining) return
      const lengths = `${remaining} bytes on the page at ${formatLsn(pageLsn)} in place of ${expected}`
      this.#fail('continuation', this.#recordLsn(), `record goes on with ${lengths}: it began`)
      this.onDroppedRecord()
    }
    this.#toSkip = aligned(remaining)
    this.#next = REST
  }

  /** A server that crashed before a record was complete goes on behind it, and says so on the page. */
  #enterOverwrite(pageLsn: Lsn): void {
    if (this.#next === RECORD_START && this.#record.chained)
      this.#fail('continuation', pageLsn, 'page says that a record was given up, and none had begun,')
    if (this.#next === RECORD_HEADER || this.#next === RECORD_BODY) {
      this.#overwritten++
      this.onDroppedRecord()
    }
    this.#record.overwriting = true
    this.#next = RECORD_START
  }

  /** Takes bytes that lie on one page, behind its header. Returns how far it got. */
  #takePage(bytes: Buffer, from: number, end: number): number {
    let at = from
    while (at < end) {
      switch (this.#next) {
        case RECORD_START:
          at = this.#takeRecords(bytes, at, end)
          break
        case RECORD_HEADER:
          at = this.#takeRecordHead(bytes, at, end)
          break
        case RECORD_BODY:
          at = this.#takeBody(bytes, at, end)
          break
        case PADDING:
          at = this.#takePadding(bytes, at, end)
          break
        case REST: {
          const count = Math.min(this.#toSkip, end - at)
          this.#toSkip -= count
          this.#offset += count
          at += count
          if (this.#toSkip === 0) this.#next = RECORD_START
          break
        }
        case ZEROS:
          this.#behindEnd += nonZeroCount(bytes, at, end)
          this.#offset += end - at
          return end
        default:
          this.#offset += end - at
          return end
      }
    }
    return at
  }

  /** As many records as lie whole in the bytes; then the state says what comes next. */
  #takeRecords(bytes: Buffer, from: number, end: number): number {
    const record = this.#record
    const first = this.#low + this.#offset - from
    let at = from
    while (end - at >= RECORD_HEADER_SIZE) {
      const length = uint32(bytes, at)
      if (length === 0 || length > end - at) break
      record.high = this.#high
      record.low = first + at
      this.#offset = record.low - this.#low
      const fault = recordHeaderFault(bytes, at, record)
      if (fault !== null) {
        this.#failRecord(fault, bytes, at)
        return at
      }
      this.#recordLength = this.#recordTaken = length
      this.#offset += length
      let crc = extendCrc32c(0, bytes, at + RECORD_HEADER_SIZE, at + length)
      crc = extendCrc32c(crc, bytes, at, at + RECORD_CRC_OFFSET) >>> 0
      const begin = at
      const isGood = this.#endRecord(bytes, at, crc)
      at += length
      if (isGood) this.onWholeRecord(record.high, record.low, bytes, begin, length)
      if (this.#next === PADDING) at = this.#takePadding(bytes, at, end)
      if (this.#next !== RECORD_START) return at
    }
    if (at === end) return at
    record.high = this.#high
    record.low = first + at
    this.#recordTaken = 0
    this.#next = RECORD_HEADER
    return at
  }

  /** The header of a record that is cut somewhere. */
  #takeRecordHead(bytes: Buffer, at: number, end: number): number {
    const goal = this.#recordTaken < LENGTH_SIZE ? LENGTH_SIZE : RECORD_HEADER_SIZE
    const count = Math.min(goal - this.#recordTaken, end - at)
    bytes.copy(this.#recordHead, this.#recordTaken, at, at + count)
    if (this.#recordTaken + count === LENGTH_SIZE) {
      const length = uint32(this.#recordHead, 0)
      if (length === 0) {
        this.#offset += count
        this.onDroppedRecord()
        this.#enterZeros(this.#recordLsn())
        return at + count
      }
    }
    this.#recordTaken += count
    this.#offset += count
    this.onRecordPart(bytes, at, at + count)
    if (this.#recordTaken === RECORD_HEADER_SIZE) this.#beginBody()
    return at + count
  }

  #beginBody(): void {
    const fault = recordHeaderFault(this.#recordHead, 0, this.#record)
    if (fault !== null) {
      this.#failRecord(fault, this.#recordHead, 0)
      return
    }
    this.#recordLength = uint32(this.#recordHead, 0)
    this.#crc = 0
    this.#next = RECORD_BODY
    if (this.#recordLength === RECORD_HEADER_SIZE) this.#endJoined()
  }

  #takeBody(bytes: Buffer, at: number, end: number): number {
    const count = Math.min(this.#recordLength - this.#recordTaken, end - at)
    this.#crc = extendCrc32c(this.#crc, bytes, at, at + count)
    this.#recordTaken += count
    this.#offset += count
    this.onRecordPart(bytes, at, at + count)
    if (this.#recordTaken === this.#recordLength) this.#endJoined()
    return at + count
  }

  #endJoined(): void {
    const head = this.#recordHead
    const crc = extendCrc32c(this.#crc, head, 0, RECORD_CRC_OFFSET) >>> 0
    const isGood = this.#endRecord(head, 0, crc)
    if (isGood) this.onJoinedRecord(this.#record.high, this.#record.low, this.#recordLength)
    else this.onDroppedRecord()
  }

  /** @param bytes hold the header at `at` @param crc what the record's bytes give */
  #endRecord(bytes: Buffer, at: number, crc: number): boolean {
    const record = this.#record
    const stored = uint32(bytes, at + RECORD_CRC_OFFSET)
    const isGood = crc === stored
    if (isGood) {
      this.#records++
      if (this.#problem !== null) {
        this.#problem.resumedAt = this.#recordLsn()
        this.#problem = null
      }
    } else {
      const values = `${hex8(crc)} in place of ${hex8(stored)}`
      this.#fail('checksum', this.#recordLsn(), `record has checksum ${values}`)
    }
    // Also behind a bad record the next one is looked for: its length is most likely right.
    record.chained = true
    record.overwriting = false
    record.lastHigh = record.high
    record.lastLow = record.low
    this.#toSkip = aligned(this.#recordLength) - this.#recordLength
    this.#next = this.#toSkip === 0 ? RECORD_START : PADDING
    const operation = bytes[at + 16]! & RESOURCE_MANAGER_INFO_MASK
    if (isGood && bytes[at + 17] === RM_XLOG && operation === XLOG_SWITCH) this.#next = SWITCHED
    return isGood
  }

  /** Where the record that was just completed ends for PostgreSQL: where the next one may begin. */
  protected endOfRecord(): Lsn {
    return this.#lsnAt(this.#next === SWITCHED ? this.segmentSize : this.#offset + this.#toSkip)
  }

  #takePadding(bytes: Buffer, from: number, end: number): number {
    const to = Math.min(from + this.#toSkip, end)
    this.#strayPadding += nonZeroCount(bytes, from, to)
    this.#toSkip -= to - from
    this.#offset += to - from
    if (this.#toSkip === 0) this.#next = RECORD_START
    return to
  }

  #enterZeros(lsn: Lsn): void {
    if (this.#options.zeros === 'problem') {
      this.#fail('zeros', lsn, 'nothing but zeros where a record must begin')
      this.#next = BAD_PAGE
    } else {
      this.#zerosFrom ??= lsn
      this.#next = ZEROS
    }
  }

  /**
   * Whether zeros were the end of WAL shows at the next page that is written: a stray bit is nothing that a recovery
   * would ever see, but a page that belongs here is WAL that cannot be reached.
   */
  #leaveZeros(pageLsn: Lsn): void {
    const until = formatLsn(pageLsn)
    this.#fail('zeros', this.#zerosFrom!, `nothing but zeros up to ${until} where a record must begin`)
    this.#zerosFrom = null
    this.#next = RECORD_START
  }

  #failRecord({ kind, text }: Fault, bytes: Buffer, at: number): void {
    this.onDroppedRecord()
    if (isBlank(bytes, at)) {
      this.#enterZeros(this.#recordLsn())
      return
    }
    const { high, low } = this.#record
    this.#fail(kind, this.#recordLsn(), text, lsnMax(this.position!, toLsn(high, low + RECORD_HEADER_SIZE)))
    this.#next = BAD_PAGE
  }

  #fail(kind: WalProblemKind, lsn: Lsn, text: string, detectedAt: Lsn = this.position!): void {
    this.#failedAt ??= lsnMin(this.verifiedLsn!, lsn)
    this.#record.chained = false
    if (this.#problem !== null) return
    const { timeline } = this.#options
    const at = { lsn, detectedAt, timeline, segmentSize: this.segmentSize }
    this.#problem = walProblem(kind, at, text)
    this.#options.onProblem?.(this.#problem)
  }

  #recordLsn(): Lsn {
    return toLsn(this.#record.high, this.#record.low)
  }

  #lsnAt(offset: number): Lsn {
    return toLsn(this.#high, this.#low + offset)
  }
}

function hex8(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0')
}

function nonZeroCount(bytes: Uint8Array, from: number, to: number): number {
  let count = 0
  for (let at = from; at < to; at++) if (bytes[at] !== 0) count++
  return count
}

function aligned(byteCount: number): number {
  return Math.ceil(byteCount / RECORD_ALIGNMENT) * RECORD_ALIGNMENT
}

function toLsn(high: number, low: number): Lsn {
  return ((BigInt(high) << 32n) + BigInt(low)) as Lsn
}
