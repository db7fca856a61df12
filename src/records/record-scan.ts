import { lsnMax } from '../wal/index.js'
import { extendCrc32c } from './crc32c.js'
import { type Fault, isBlank, uint32 } from './page-check.js'
import { recordHeaderFault } from './record-check.js'
import {
  RECORD_ALIGNMENT,
  RECORD_CRC_OFFSET,
  RECORD_HEADER_SIZE,
  RESOURCE_MANAGER_INFO_MASK,
  RM_XLOG,
  XLOG_SWITCH,
} from './record-format.js'
import { walkRecords } from './record-walk.js'
import {
  BAD_PAGE,
  nonZeroCount,
  PADDING,
  RECORD_BODY,
  RECORD_HEADER,
  RECORD_START,
  type ScanState,
  SWITCHED,
  toLsn,
} from './scan-state.js'

/** Who is told of records. */
export interface RecordSink {
  /**
   * Good records that lie whole in `bytes`, one behind the other with their padding.
   *
   * @param offset of the first one in its segment
   */
  onWholeRecords(bytes: Buffer, from: number, to: number, offset: number): void
  /** A part of a record that is cut; the first part begins with its length. */
  onRecordPart(bytes: Buffer, from: number, to: number): void
  /** The parts so far are a good record. */
  onJoinedRecord(length: number): void
  /** The parts so far are no good record. */
  onDroppedRecord(): void
}

/** Bytes of a record's header that hold its length. They are never cut by a page's end. */
const LENGTH_SIZE = 4

/** Checks records, in stretches of WAL that lie on one page, behind its header. */
export class RecordScan {
  readonly #state: ScanState
  readonly #sink: RecordSink
  readonly #head = Buffer.alloc(RECORD_HEADER_SIZE)
  #length = 0
  /** Bytes of the present record that were taken. */
  #taken = 0
  #crc = 0

  constructor(state: ScanState, sink: RecordSink) {
    this.#state = state
    this.#sink = sink
  }

  /** Bytes that the record which goes on over the page's end still has; what its header says of it, checked or not. */
  get remaining(): number {
    return uint32(this.#head, 0) - this.#taken
  }

  /** As many records as lie whole in the bytes; then the state says what comes next. */
  takeRecords(bytes: Buffer, from: number, end: number): number {
    const state = this.#state
    let at = from
    while (end - at >= RECORD_HEADER_SIZE) {
      at = this.#passWhole(bytes, at, end)
      const length = end - at < RECORD_HEADER_SIZE ? 0 : uint32(bytes, at)
      if (length === 0 || length > end - at) break
      at = this.#takeWhole(bytes, at, length)
      if (state.next === PADDING) at = this.takePadding(bytes, at, end)
      if (state.next !== RECORD_START) return at
    }
    if (at === end) return at
    this.#begin()
    this.#taken = 0
    state.next = RECORD_HEADER
    return at
  }

  /** The header of a record that is cut somewhere. */
  takeHead(bytes: Buffer, at: number, end: number): number {
    const state = this.#state
    const goal = this.#taken < LENGTH_SIZE ? LENGTH_SIZE : RECORD_HEADER_SIZE
    const count = Math.min(goal - this.#taken, end - at)
    bytes.copy(this.#head, this.#taken, at, at + count)
    if (this.#taken + count === LENGTH_SIZE && uint32(this.#head, 0) === 0) {
      state.offset += count
      this.#sink.onDroppedRecord()
      state.enterZeros(state.recordLsn)
      return at + count
    }
    this.#taken += count
    state.offset += count
    this.#sink.onRecordPart(bytes, at, at + count)
    if (this.#taken === RECORD_HEADER_SIZE) this.#beginBody()
    return at + count
  }

  takeBody(bytes: Buffer, at: number, end: number): number {
    const count = Math.min(this.#length - this.#taken, end - at)
    this.#crc = extendCrc32c(this.#crc, bytes, at, at + count)
    this.#taken += count
    this.#state.offset += count
    this.#sink.onRecordPart(bytes, at, at + count)
    if (this.#taken === this.#length) this.#endJoined()
    return at + count
  }

  takePadding(bytes: Buffer, from: number, end: number): number {
    const state = this.#state
    const to = Math.min(from + state.toSkip, end)
    state.strayPadding += nonZeroCount(bytes, from, to)
    state.toSkip -= to - from
    state.offset += to - from
    if (state.toSkip === 0) state.next = RECORD_START
    return to
  }

  /** A record begins at the position. */
  #begin(): void {
    const { record, high, low, offset } = this.#state
    record.high = high
    record.low = low + offset
  }

  /** The records that are in order, which is nearly always all of them. Returns how far it got. */
  #passWhole(bytes: Buffer, from: number, end: number): number {
    const state = this.#state
    const { record } = state
    if (!record.chained || record.overwriting || state.isInTrouble) return from
    const position = state.low + state.offset
    const passed = walkRecords(bytes, from, end, state.high, position, record)
    if (passed.count === 0) return from
    const { offset } = state
    state.records += passed.count
    record.lastHigh = state.high
    record.lastLow = position + passed.last - from
    state.offset += passed.to - from
    this.#sink.onWholeRecords(bytes, from, passed.to, offset)
    return passed.to
  }

  #takeWhole(bytes: Buffer, at: number, length: number): number {
    const state = this.#state
    this.#begin()
    const fault = recordHeaderFault(bytes, at, state.record)
    if (fault !== null) {
      this.#fail(fault, bytes, at)
      return at
    }
    this.#length = this.#taken = length
    let crc = extendCrc32c(0, bytes, at + RECORD_HEADER_SIZE, at + length)
    crc = extendCrc32c(crc, bytes, at, at + RECORD_CRC_OFFSET) >>> 0
    const { offset } = state
    state.offset += length
    if (this.#end(bytes, at, crc)) this.#sink.onWholeRecords(bytes, at, at + length, offset)
    return at + length
  }

  #beginBody(): void {
    const state = this.#state
    const fault = recordHeaderFault(this.#head, 0, state.record)
    if (fault !== null) {
      this.#fail(fault, this.#head, 0)
      return
    }
    this.#length = uint32(this.#head, 0)
    this.#crc = 0
    state.next = RECORD_BODY
    if (this.#length === RECORD_HEADER_SIZE) this.#endJoined()
  }

  #endJoined(): void {
    const head = this.#head
    const crc = extendCrc32c(this.#crc, head, 0, RECORD_CRC_OFFSET) >>> 0
    if (this.#end(head, 0, crc)) this.#sink.onJoinedRecord(this.#length)
    else this.#sink.onDroppedRecord()
  }

  /** @param bytes hold the header at `at` @param crc what the record's bytes give */
  #end(bytes: Buffer, at: number, crc: number): boolean {
    const state = this.#state
    const { record } = state
    const stored = uint32(bytes, at + RECORD_CRC_OFFSET)
    const isGood = crc === stored
    if (isGood) state.passRecord()
    else
      state.fail('checksum', state.recordLsn, `record has checksum ${hex8(crc)} in place of ${hex8(stored)}`)
    // Also behind a bad record the next one is looked for: its length is most likely right.
    record.chained = true
    record.overwriting = false
    record.lastHigh = record.high
    record.lastLow = record.low
    state.toSkip = aligned(this.#length) - this.#length
    state.next = state.toSkip === 0 ? RECORD_START : PADDING
    const operation = bytes[at + 16]! & RESOURCE_MANAGER_INFO_MASK
    if (isGood && bytes[at + 17] === RM_XLOG && operation === XLOG_SWITCH) state.next = SWITCHED
    return isGood
  }

  #fail({ kind, text }: Fault, bytes: Buffer, at: number): void {
    const state = this.#state
    this.#sink.onDroppedRecord()
    if (isBlank(bytes, at)) {
      state.enterZeros(state.recordLsn)
      return
    }
    const endOfHeader = toLsn(state.record.high, state.record.low + RECORD_HEADER_SIZE)
    state.fail(kind, state.recordLsn, text, lsnMax(state.position, endOfHeader))
    state.next = BAD_PAGE
  }
}

/** A length with its padding. */
export function aligned(byteCount: number): number {
  return Math.ceil(byteCount / RECORD_ALIGNMENT) * RECORD_ALIGNMENT
}

function hex8(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0')
}
