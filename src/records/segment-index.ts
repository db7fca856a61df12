import { type Lsn, XLP_FIRST_IS_CONTRECORD } from '../wal/index.js'
import { droppedNumbers } from './dropped-numbers.js'
import { pageHeaderSize, uint16, uint32 } from './page-check.js'
import { RecordMemory } from './record-memory.js'
import { RecordReader } from './record-reader.js'
import { parseServerRecord } from './server-record.js'
import { parseTransaction } from './transaction-record.js'
import type { WalRecord } from './wal-record.js'
import type { WalScannerOptions } from './wal-scanner.js'

/** The part of a record that lies in this segment, when it goes over the segment's end or begin. */
export interface CutRecord {
  /** bytes of the record that lie here */
  readonly length: number
  /** The first of them: all, or as many as are kept. */
  readonly bytes: Buffer
}

/** What a segment holds, in a few hundred bytes. Facts of the records that lie whole in it. */
export interface SegmentIndex {
  /** Page magic of the server that wrote it; 0 when there is no page. */
  readonly magic: number
  /** Where the first record begins; null when none begins. */
  readonly firstLsn: Lsn | null
  /** Where the last whole record begins. */
  readonly lastLsn: Lsn | null
  /** Where it ends: the segment's end after a segment switch. */
  readonly endLsn: Lsn | null
  readonly records: number
  readonly commits: number
  /** The earliest and the latest, in microseconds since 2000-01-01 UTC; null without commits. */
  readonly firstCommitTime: bigint | null
  readonly lastCommitTime: bigint | null
  readonly fullPageImages: number
  /** Transactions that write or end here, subtransactions included; null for none. The ids go round. */
  readonly oldestXid: number | null
  readonly newestXid: number | null
  readonly restorePoints: readonly { readonly name: string; readonly lsn: Lsn; readonly time: bigint }[]
  /** Where a checkpoint ends, and where a recovery from it begins. */
  readonly checkpoints: readonly { readonly lsn: Lsn; readonly redo: Lsn }[]
  /** Numbers by which a drop in this segment may be looked for, see droppedNumbers; null: too many to keep. */
  readonly dropped: readonly number[] | null
  /** The rest of a record that began before; null when there is none. */
  readonly rest: CutRecord | null
  /** A record that goes on in the next segment. */
  readonly unfinished: (CutRecord & { readonly lsn: Lsn }) | null
}

/** Bytes kept of a record that is cut. Most commit records are far shorter; what is longer is read in the segment. */
export const CUT_LIMIT = 2048
const DROPPED_LIMIT = 200
const RESTORE_POINT_LIMIT = 100
const CHECKPOINT_LIMIT = 100

/** `a` is the older of two transaction ids: they go round. PostgreSQL: TransactionIdPrecedes. */
export function xidPrecedes(a: number, b: number): boolean {
  return ((a - b) | 0) < 0
}

/** Makes a segment's index from its bytes, which come in pieces from the segment's start on. */
export class SegmentIndexer {
  readonly #reader: RecordReader
  #damaged = false
  #rest: CutRecord | null | undefined
  #firstLsn: Lsn | null = null
  #lastLsn: Lsn | null = null
  #endLsn: Lsn | null = null
  #records = 0
  #commits = 0
  #firstCommitTime: bigint | null = null
  #lastCommitTime: bigint | null = null
  #fullPageImages = 0
  #oldestXid: number | null = null
  #newestXid: number | null = null
  readonly #restorePoints: { name: string; lsn: Lsn; time: bigint }[] = []
  readonly #checkpoints: { lsn: Lsn; redo: Lsn }[] = []
  readonly #dropped = new Set<number>()

  /**
   * @param options of the segment; its `onProblem` is not called
   * @param memory to work in, where that of a segment before can be used again
   */
  constructor(options: WalScannerOptions, memory = new RecordMemory()) {
    const onProblem = () => {
      this.#damaged = true
    }
    const onRecord = (record: WalRecord) => {
      try {
        this.#take(record)
      } catch (error) {
        // Its checksum is right, so it is of a kind that is not known here, and may say anything.
        if (!(error instanceof RangeError)) throw error
        onProblem()
      }
    }
    this.#reader = new RecordReader({ ...options, onProblem }, onRecord, memory)
  }

  /** @param lsn of the first byte; the first piece holds the segment's first page */
  push(lsn: Lsn, bytes: Buffer): void {
    if (this.#rest === undefined) this.#rest = restAtStart(bytes)
    this.#reader.push(lsn, bytes)
  }

  /** @returns null when the WAL is damaged or not understood: then nothing short of the segment can be trusted */
  finish(): SegmentIndex | null {
    if (this.#damaged) return null
    const lists = [this.#restorePoints.length > RESTORE_POINT_LIMIT, this.#dropped.size > DROPPED_LIMIT]
    const unfinishedLsn = this.#reader.unfinishedRecordLsn
    const unfinished = this.#reader.unfinishedBytes
    return {
      magic: this.#reader.magic,
      firstLsn: this.#firstLsn ?? unfinishedLsn,
      lastLsn: this.#lastLsn,
      endLsn: this.#endLsn,
      records: this.#records,
      commits: this.#commits,
      firstCommitTime: this.#firstCommitTime,
      lastCommitTime: this.#lastCommitTime,
      fullPageImages: this.#fullPageImages,
      oldestXid: this.#oldestXid,
      newestXid: this.#newestXid,
      restorePoints: this.#restorePoints.slice(0, RESTORE_POINT_LIMIT),
      checkpoints: this.#checkpoints.slice(-CHECKPOINT_LIMIT),
      // A search reads the segment when this is null, so too many restore points are found that way too.
      dropped: lists.includes(true) ? null : [...this.#dropped].sort((a, b) => a - b),
      rest: this.#rest ?? null,
      unfinished:
        unfinishedLsn === null
          ? null
          : { lsn: unfinishedLsn, length: unfinished.length, bytes: unfinished.subarray(0, CUT_LIMIT) },
    }
  }

  #take(record: WalRecord): void {
    this.#records++
    this.#firstLsn ??= record.lsn
    this.#lastLsn = record.lsn
    this.#endLsn = record.endLsn
    if (record.xid !== 0) this.#takeXid(record.xid)
    for (const { image } of record.blocks) if (image !== null) this.#fullPageImages++
    for (const number of droppedNumbers(record)) this.#dropped.add(number)
    const transaction = parseTransaction(record)
    if (transaction !== null) {
      this.#takeXid(transaction.xid)
      for (const xid of transaction.subtransactions) this.#takeXid(xid)
      if (transaction.kind === 'commit' || transaction.kind === 'commit-prepared')
        this.#takeCommit(transaction.time)
      return
    }
    const server = parseServerRecord(record)
    if (server?.kind === 'restore-point')
      this.#restorePoints.push({ name: server.name, lsn: record.lsn, time: server.time })
    if (server?.kind === 'checkpoint') this.#checkpoints.push({ lsn: record.lsn, redo: server.redo })
  }

  #takeXid(xid: number): void {
    if (this.#oldestXid === null || xidPrecedes(xid, this.#oldestXid)) this.#oldestXid = xid
    if (this.#newestXid === null || xidPrecedes(this.#newestXid, xid)) this.#newestXid = xid
  }

  /** Not in the order of time: two processes may change places between looking at the clock and writing. */
  #takeCommit(time: bigint): void {
    this.#commits++
    if (this.#firstCommitTime === null || time < this.#firstCommitTime) this.#firstCommitTime = time
    if (this.#lastCommitTime === null || time > this.#lastCommitTime) this.#lastCommitTime = time
  }
}

function restAtStart(bytes: Buffer): CutRecord | null {
  if (bytes.length < pageHeaderSize(0) || (uint16(bytes, 2) & XLP_FIRST_IS_CONTRECORD) === 0) return null
  const length = uint32(bytes, 16)
  const from = pageHeaderSize(0)
  // No page ends within so few bytes.
  return { length, bytes: Buffer.from(bytes.subarray(from, from + Math.min(length, CUT_LIMIT))) }
}
