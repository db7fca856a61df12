import type { Lsn } from '../wal/index.js'
import { RecordMemory } from './record-memory.js'
import { WalRecord } from './wal-record.js'
import { WalScanner, type WalScannerOptions } from './wal-scanner.js'

/**
 * Hands out the records of WAL that is pushed in pieces of any size, each one checked: a record is given only when its
 * checksum and its link to the record before are good. Problems are told as by WalVerifier, and reading
 * goes on behind them.
 *
 *     const reader = new RecordReader({ segmentSize, timeline }, (record) => { ... })
 *     reader.push(lsn, bytes)
 *
 * A record that lies whole on a page is a view of the bytes that were pushed; one that goes over pages or pieces
 * is a copy. Whoever keeps records while the memory is used again must copy them.
 */
export class RecordReader extends WalScanner {
  readonly #onRecord: (record: WalRecord) => void
  readonly #joined: RecordMemory
  readonly #copies: boolean

  /**
   * @param memory for records that go over pages or pieces: they are then no copies, and their bytes are good only until
   *   `onRecord` returns
   */
  constructor(options: WalScannerOptions, onRecord: (record: WalRecord) => void, memory?: RecordMemory) {
    super(options)
    this.#onRecord = onRecord
    this.#joined = memory ?? new RecordMemory()
    this.#joined.clear()
    this.#copies = memory === undefined
  }

  /** What was seen of a record that is not complete yet; empty when there is none. */
  get unfinishedBytes(): Buffer {
    return Buffer.from(this.#joined.bytes)
  }

  protected override onWholeRecord(
    high: number,
    low: number,
    bytes: Buffer,
    at: number,
    length: number,
  ): void {
    this.#give(high, low, bytes.subarray(at, at + length))
  }

  protected override onRecordPart(bytes: Buffer, from: number, to: number): void {
    this.#joined.add(bytes, from, to)
  }

  protected override onJoinedRecord(high: number, low: number): void {
    const { bytes } = this.#joined
    this.#joined.clear()
    this.#give(high, low, this.#copies ? Buffer.from(bytes) : bytes)
  }

  protected override onDroppedRecord(): void {
    this.#joined.clear()
  }

  #give(high: number, low: number, bytes: Buffer): void {
    this.#onRecord(new WalRecord(high, low, this.endOfRecord(), bytes, this.magic))
  }
}

/** A piece of WAL and where it belongs. */
export interface WalPiece {
  readonly lsn: Lsn
  readonly bytes: Buffer
}

/** Records are handed out for so many bytes at a time, to bound the memory of a big piece's records. */
const SLICE_BYTES = 256 * 1024

/**
 * The records of some WAL, one after the other: for example those of a segment's file.
 *
 *     for (const record of readRecords([{ lsn: segmentStart(n, size), bytes }], { segmentSize: size, timeline })) {
 *       record.resourceManager      // 'Heap'
 *       record.blocks               // parsed when it is asked for
 *     }
 *
 * @param pieces each must begin where the one before ended; the first may begin anywhere: the rest of a record that
 *   began before it is passed over
 * @param options see WalScannerOptions; problems go to `onProblem`
 */
export function* readRecords(pieces: Iterable<WalPiece>, options: WalScannerOptions): Generator<WalRecord> {
  let found: WalRecord[] = []
  const reader = new RecordReader(options, (record) => found.push(record))
  for (const { lsn, bytes } of pieces) {
    for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
      reader.push((lsn + BigInt(at)) as Lsn, bytes.subarray(at, at + SLICE_BYTES))
      yield* found
      found = []
    }
  }
}
