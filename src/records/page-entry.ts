import {
  type Ancestor,
  formatLsn,
  LONG_PAGE_HEADER_SIZE,
  type Lsn,
  XLP_FIRST_IS_CONTRECORD,
  XLP_FIRST_IS_OVERWRITE_CONTRECORD,
} from '../wal/index.js'
import { Lineage } from './lineage.js'
import { isBlank, type PageExpectation, pageFault, uint16, uint32 } from './page-check.js'
import { aligned, type RecordScan, type RecordSink } from './record-scan.js'
import {
  BAD_PAGE,
  nonZeroCount,
  RECORD_BODY,
  RECORD_HEADER,
  RECORD_START,
  REST,
  type ScanState,
  ZEROS,
} from './scan-state.js'

export interface PageEntryOptions {
  readonly ancestors: readonly Ancestor[] | null
  readonly systemIdentifier: bigint | undefined
}

/** Checks page headers, and that each page goes on with what the one before left open. */
export class PageEntry {
  readonly #state: ScanState
  readonly #records: RecordScan
  readonly #sink: RecordSink
  readonly #lineage: Lineage
  readonly #expected: { -readonly [name in keyof PageExpectation]: PageExpectation[name] }
  readonly #head = Buffer.alloc(LONG_PAGE_HEADER_SIZE)
  #lastTimeline = 0

  constructor(
    state: ScanState,
    records: RecordScan,
    sink: RecordSink,
    { ancestors, systemIdentifier }: PageEntryOptions,
  ) {
    this.#state = state
    this.#records = records
    this.#sink = sink
    const { segmentSize, pageSize, timeline, magic } = state.options
    this.#lineage = new Lineage(timeline, ancestors)
    this.#expected = {
      magic,
      segmentSize,
      walBlockSize: pageSize,
      systemIdentifier,
      timelines: { lowest: 1, highest: timeline },
    }
  }

  /** @param inPage bytes of the header that were taken before. Returns how far it got. */
  takeHeader(bytes: Buffer, at: number, inPage: number, headSize: number): number {
    const count = Math.min(headSize - inPage, bytes.length - at)
    this.#state.offset += count
    if (count === headSize) {
      this.#enter(bytes, at, headSize)
    } else {
      bytes.copy(this.#head, inPage, at, at + count)
      if (inPage + count === headSize) this.#enter(this.#head, 0, headSize)
    }
    return at + count
  }

  #enter(bytes: Buffer, at: number, headSize: number): void {
    const state = this.#state
    const pageOffset = state.offset - headSize
    const pageLsn = state.lsnAt(pageOffset)
    if (state.next === RECORD_START && isBlank(bytes, at)) {
      state.enterZeros(pageLsn)
      return
    }
    this.#expected.timelines = this.#lineage.rangeAt(pageLsn, this.#lastTimeline)
    const fault = pageFault(bytes, at, state.high, state.low + pageOffset, this.#expected)
    if (state.next === ZEROS) {
      if (fault === null) state.leaveZeros(pageLsn)
      else state.behindEnd += nonZeroCount(bytes, at, at + headSize)
    } else if (fault !== null) {
      state.fail(fault.kind, pageLsn, fault.text)
      if (state.next === RECORD_HEADER || state.next === RECORD_BODY) this.#sink.onDroppedRecord()
      state.next = BAD_PAGE
    }
    if (fault !== null) return
    this.#expected.magic = state.record.magic = uint16(bytes, at)
    this.#lastTimeline = uint32(bytes, at + 4)
    const flags = uint16(bytes, at + 2)
    if ((flags & XLP_FIRST_IS_OVERWRITE_CONTRECORD) !== 0) this.#enterOverwrite(pageLsn)
    else if ((flags & XLP_FIRST_IS_CONTRECORD) === 0) this.#enterFresh(pageLsn)
    else this.#enterContinuation(pageLsn, uint32(bytes, at + 16))
  }

  /** A page that goes on with nothing. */
  #enterFresh(pageLsn: Lsn): void {
    const state = this.#state
    if (state.next === RECORD_START) return
    const begun = state.next === REST ? pageLsn : state.recordLsn
    state.fail('continuation', begun, `record does not go on on the page at ${formatLsn(pageLsn)}: it began`)
    if (state.next !== REST) this.#sink.onDroppedRecord()
    state.next = RECORD_START
  }

  #enterContinuation(pageLsn: Lsn, remaining: number): void {
    const state = this.#state
    if (state.next === RECORD_START) {
      if (state.record.chained)
        state.fail('continuation', pageLsn, 'page goes on with a record that never began')
    } else if (state.next === REST) {
      if (aligned(remaining) === state.toSkip) return
      const lengths = `${remaining} bytes in place of ${state.toSkip}`
      state.fail('continuation', pageLsn, `page goes on with a record by ${lengths}`)
    } else {
      const expected = this.#records.remaining
      if (expected === remaining) return
      const lengths = `${remaining} bytes on the page at ${formatLsn(pageLsn)} in place of ${expected}`
      state.fail('continuation', state.recordLsn, `record goes on with ${lengths}: it began`)
      this.#sink.onDroppedRecord()
    }
    state.toSkip = aligned(remaining)
    state.next = REST
  }

  /** A server that crashed before a record was complete goes on behind it, and says so on the page. */
  #enterOverwrite(pageLsn: Lsn): void {
    const state = this.#state
    if (state.next === RECORD_START && state.record.chained)
      state.fail('continuation', pageLsn, 'page says that a record was given up, and none had begun,')
    if (state.isInRecord) {
      state.overwritten++
      this.#sink.onDroppedRecord()
    }
    state.record.overwriting = true
    state.next = RECORD_START
  }
}
