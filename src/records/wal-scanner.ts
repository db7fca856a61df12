import { type Ancestor, DEFAULT_WAL_BLOCK_SIZE, formatLsn, type Lsn } from '../wal/index.js'
import { pageHeaderSize, uint32 } from './page-check.js'
import { PageEntry } from './page-entry.js'
import { aligned, RecordScan, type RecordSink } from './record-scan.js'
import {
  BAD_PAGE,
  nonZeroCount,
  PADDING,
  RECORD_BODY,
  RECORD_HEADER,
  RECORD_START,
  REST,
  ScanState,
  SWITCHED,
  toLsn,
  ZEROS,
} from './scan-state.js'
import type { WalProblem } from './wal-problem.js'

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

/**
 * Walks through WAL as it comes, in pieces of any size, and checks it: pages (PageEntry), how records go on over them,
 * the chain of records, and every record's checksum (RecordScan). Nothing is copied but headers that the end of a piece
 * or page cuts. PostgreSQL: src/backend/access/transam/xlogreader.c.
 *
 * After a problem it goes on at the next page from which a record can be found; what else is wrong until the
 * first good record belongs to the same problem. Subclasses see the records.
 */
export abstract class WalScanner {
  readonly segmentSize: number
  readonly #state: ScanState
  readonly #records: RecordScan
  readonly #pages: PageEntry
  /** End of the record that is being handed out, as an offset in its segment. */
  #endOffset = 0

  constructor(options: WalScannerOptions) {
    this.segmentSize = options.segmentSize
    this.#state = new ScanState({
      segmentSize: options.segmentSize,
      pageSize: options.walBlockSize ?? DEFAULT_WAL_BLOCK_SIZE,
      timeline: options.timeline,
      magic: options.magic ?? 0,
      zeros: options.zeros ?? 'end',
      onProblem: (problem) => options.onProblem?.(problem),
    })
    const sink: RecordSink = {
      onWholeRecords: (bytes, from, to, offset) => this.onWholeRecords(bytes, from, to, offset),
      onRecordPart: (bytes, from, to) => this.onRecordPart(bytes, from, to),
      onJoinedRecord: (length) => this.#giveJoined(length),
      onDroppedRecord: () => this.onDroppedRecord(),
    }
    const { ancestors = null, systemIdentifier } = options
    this.#records = new RecordScan(this.#state, sink)
    this.#pages = new PageEntry(this.#state, this.#records, sink, { ancestors, systemIdentifier })
  }

  /** A record that lies whole in what was pushed; only good ones. Positions as high and low half. */
  protected abstract onWholeRecord(high: number, low: number, bytes: Buffer, at: number, length: number): void
  /** A part of a record that is cut; the first part begins with its length. */
  protected abstract onRecordPart(bytes: Buffer, from: number, to: number): void
  /** The parts so far are a good record. */
  protected abstract onJoinedRecord(high: number, low: number, length: number): void
  /** The parts so far are no good record. */
  protected abstract onDroppedRecord(): void

  /**
   * Good records that lie whole in `bytes`, one behind the other with their padding; hands them out one by one.
   *
   * @param offset of the first one in its segment
   */
  protected onWholeRecords(bytes: Buffer, from: number, to: number, offset: number): void {
    const { high, low } = this.#state
    for (let at = from; at < to; ) {
      const length = uint32(bytes, at)
      const begin = offset + at - from
      this.#endOffset = begin + aligned(length)
      this.onWholeRecord(high, low + begin, bytes, at, length)
      at += aligned(length)
    }
  }

  #giveJoined(length: number): void {
    const { record, offset, toSkip } = this.#state
    this.#endOffset = offset + toSkip
    this.onJoinedRecord(record.high, record.low, length)
  }

  /** Where the record that is being handed out ends for PostgreSQL: where the next one may begin. */
  protected endOfRecord(): Lsn {
    return this.#state.lsnAt(this.#state.next === SWITCHED ? this.segmentSize : this.#endOffset)
  }

  /** End of what was pushed; null before that. */
  get position(): Lsn | null {
    return this.#state.startLsn === null ? null : this.#state.position
  }

  /**
   * Everything from the start up to here was checked and found good: the end, with its padding, of the last record
   * that was complete, or the end of what followed a segment switch. It never passes the first problem.
   *
   * Not checked, and yet passed, is at most one thing: the rest of a record (or page) that began before the
   * start. Until its end it stays at the start.
   */
  get verifiedLsn(): Lsn | null {
    return this.#state.verifiedLsn
  }

  /** Where the last good record begins; null before the first. */
  get lastRecordLsn(): Lsn | null {
    const { records, record } = this.#state
    return records === 0 ? null : toLsn(record.lastHigh, record.lastLow)
  }

  /** Where a record begins that is not complete yet. */
  get unfinishedRecordLsn(): Lsn | null {
    return this.#state.isInRecord ? this.#state.recordLsn : null
  }

  /** Where zeros begin that last until here: the end of WAL. Null when there are none. */
  get zerosFrom(): Lsn | null {
    return this.#state.zerosFrom
  }

  /** Good records so far. */
  get records(): number {
    return this.#state.records
  }

  /** Bytes of padding that are not zero: harmless to a recovery, yet no server writes them. */
  get strayPadding(): number {
    return this.#state.strayPadding
  }

  /** Bytes behind the end of WAL that are not zero: what a file that is used again held before. */
  get bytesBehindEnd(): number {
    return this.#state.behindEnd
  }

  /** Records that a crash cut short, as the page behind each of them says. */
  get overwrittenRecords(): number {
    return this.#state.overwritten
  }

  /** The server's page magic, once a page was seen or it was given; 0 before. */
  get magic(): number {
    return this.#state.record.magic
  }

  /**
   * Takes the next piece of WAL. The bytes are not kept beyond the call.
   *
   * @param lsn of the first byte. The first piece may begin anywhere; each further one where the last one ended.
   * @throws RangeError when the piece is not the next one
   */
  push(lsn: Lsn, bytes: Buffer): void {
    const state = this.#state
    if (state.startLsn === null) state.begin(lsn)
    else if (lsn !== state.position)
      throw new RangeError(`WAL at ${formatLsn(lsn)} does not follow on ${formatLsn(state.position)}`)
    const { pageSize } = state.options
    let at = 0
    while (at < bytes.length) {
      const inPage = state.offset & (pageSize - 1)
      const headSize = state.offset < pageSize ? pageHeaderSize(0) : pageHeaderSize(1)
      if (inPage < headSize && state.next < BAD_PAGE) {
        at = this.#pages.takeHeader(bytes, at, inPage, headSize)
        continue
      }
      const from = at
      at = this.#takePage(bytes, at, Math.min(bytes.length, at + pageSize - inPage))
      if (at !== from && (state.offset & (pageSize - 1)) === 0) state.endPage()
    }
  }

  /** Takes bytes that lie on one page, behind its header. Returns how far it got. */
  #takePage(bytes: Buffer, from: number, end: number): number {
    const state = this.#state
    let at = from
    while (at < end) {
      switch (state.next) {
        case RECORD_START:
          at = this.#records.takeRecords(bytes, at, end)
          break
        case RECORD_HEADER:
          at = this.#records.takeHead(bytes, at, end)
          break
        case RECORD_BODY:
          at = this.#records.takeBody(bytes, at, end)
          break
        case PADDING:
          at = this.#records.takePadding(bytes, at, end)
          break
        case REST: {
          const count = Math.min(state.toSkip, end - at)
          state.toSkip -= count
          state.offset += count
          at += count
          if (state.toSkip === 0) state.next = RECORD_START
          break
        }
        case ZEROS:
          state.behindEnd += nonZeroCount(bytes, at, end)
          state.offset += end - at
          return end
        default:
          state.offset += end - at
          return end
      }
    }
    return at
  }
}
