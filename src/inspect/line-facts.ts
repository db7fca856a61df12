import { WalshipError } from '../base/index.js'
import {
  RecordReader,
  recordBetween,
  type SegmentIndex,
  SegmentIndexer,
  type WalRecord,
} from '../records/index.js'
import { type Ancestor, lsnAdd, segmentStart } from '../wal/index.js'
import type { KeptFile, KeptWal } from './kept-wal.js'
import { storedIndex } from './stored-index.js'

/** What is known of a segment without its bytes. */
export interface SegmentFacts {
  readonly index: SegmentIndex
  /** The record that goes on in the next segment, if somebody may look for it. */
  readonly between: WalRecord | null
}

export interface LineOptions {
  readonly kept: KeptWal
  readonly files: readonly KeptFile[]
  readonly segmentSize: number
  /** The timeline they lead to. */
  readonly timeline: number
  readonly ancestors: readonly Ancestor[] | null
  readonly signal: AbortSignal
  /** Of another line of the same place: what that one knows, this one need not read. */
  readonly knownTo?: LineFacts
}

/** Indexes asked for at once. */
const AT_ONCE = 16
/** Segments kept in memory: a search looks at the same one, and at the next, several times. */
const RECENT = 2
const SLICE_BYTES = 1024 * 1024

/**
 * The files that lead to the end of one timeline, and what is in them: by their indexes where there are good ones,
 * else by reading them. An index only says which segments to read; what is found is taken from the WAL itself.
 */
export class LineFacts {
  readonly files: readonly KeptFile[]
  readonly #options: LineOptions
  readonly #indexes: Map<KeptFile, Promise<SegmentIndex | null>>
  readonly #unusable = new Map<string, string>()
  #recent: readonly { readonly file: KeptFile; readonly bytes: Buffer }[] = []
  #turn: Promise<unknown> = Promise.resolve()
  #indexesRead = 0
  #segmentsRead = 0

  constructor(options: LineOptions) {
    this.#options = options
    this.files = options.files
    this.#indexes = options.knownTo === undefined ? new Map() : options.knownTo.#indexes
  }

  /** Segments that could not be read, or are damaged, with the reason. */
  get unusable(): ReadonlyMap<string, string> {
    return this.#unusable
  }

  get effort(): { readonly indexes: number; readonly segments: number } {
    return { indexes: this.#indexesRead, segments: this.#segmentsRead }
  }

  /** @returns null when the segment cannot be used */
  async index(number: number): Promise<SegmentIndex | null> {
    const file = this.files[number]!
    let index = this.#indexes.get(file)
    if (index === undefined) {
      index = this.#findIndex(file)
      this.#indexes.set(file, index)
    }
    return index
  }

  /** @returns null when the segment cannot be used */
  async facts(number: number): Promise<SegmentFacts | null> {
    const index = await this.index(number)
    if (index === null) return null
    if (index.unfinished === null || !this.#isFollowed(number)) return { index, between: null }
    const next = await this.index(number + 1)
    const between = recordBetween(index, next, this.#options.segmentSize)
    if (between !== 'unknown') return { index, between }
    const { lsn } = index.unfinished
    const found: WalRecord[] = []
    await this.scan(number, number, (record) => {
      if (record.lsn === lsn) found.push(record)
    })
    return { index, between: found[0] ?? null }
  }

  /** Asks for the facts of several segments together, which takes no longer than for one. */
  async prepare(first: number, count = AT_ONCE): Promise<void> {
    const numbers = Array.from({ length: count + 1 }, (_, i) => first + i)
    await Promise.all(
      numbers.filter((number) => number >= 0 && number < this.files.length).map((n) => this.index(n)),
    )
  }

  /**
   * Hands out the records that begin in the segments from `first` to `last`, both included, as far as they are good.
   *
   * @param onRecord the record's memory is its own
   */
  async scan(first: number, last: number, onRecord: (record: WalRecord) => void): Promise<void> {
    const { segmentSize, timeline, ancestors } = this.#options
    const limit = segmentStart(this.files[last]!.segment + 1n, segmentSize)
    let reader: RecordReader | null = null
    let previous: KeptFile | null = null
    for (let number = first; number < this.files.length; number++) {
      const file = this.files[number]!
      const { segment } = file
      const follows = previous?.segment === segment - 1n
      // Beyond the last one only for the end of a record that began in it.
      const unfinished = reader?.unfinishedRecordLsn ?? null
      if (number > last && (!follows || unfinished === null || unfinished >= limit)) return
      const bytes = await this.#read(file)
      if (reader === null || !follows) {
        reader = new RecordReader({ segmentSize, timeline, ancestors }, (record) => {
          if (record.lsn < limit) onRecord(record)
        })
      }
      if (bytes === null) reader = null
      else reader.push(segmentStart(segment, segmentSize), bytes)
      previous = file
    }
  }

  #isFollowed(number: number): boolean {
    const next = this.files[number + 1]
    return next !== undefined && next.segment === this.files[number]!.segment + 1n
  }

  async #findIndex(file: KeptFile): Promise<SegmentIndex | null> {
    const { kept, signal } = this.#options
    const index = await storedIndex(kept, file, signal)
    if (index !== null) {
      this.#indexesRead++
      return index
    }
    return this.#inTurn(() => this.#makeIndex(file))
  }

  async #makeIndex(file: KeptFile): Promise<SegmentIndex | null> {
    const { segmentSize, timeline, ancestors } = this.#options
    const bytes = await this.#read(file)
    if (bytes === null) return null
    const indexer = new SegmentIndexer({ segmentSize, timeline, ancestors })
    const start = segmentStart(file.segment, segmentSize)
    for (let at = 0; at < bytes.length; at += SLICE_BYTES)
      indexer.push(lsnAdd(start, at), bytes.subarray(at, at + SLICE_BYTES))
    const index = indexer.finish()
    if (index === null) this.#unusable.set(file.name, 'its WAL is damaged: walship verify says where')
    return index
  }

  /** One after the other, because each holds a whole segment in memory. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step)
    this.#turn = result.catch(() => {})
    return result
  }

  async #read(file: KeptFile): Promise<Buffer | null> {
    const known = this.#recent.find((each) => each.file === file)
    if (known !== undefined) return known.bytes
    this.#segmentsRead++
    try {
      const bytes = await this.#options.kept.read(file, this.#options.signal)
      if (bytes !== null) this.#recent = [...this.#recent.slice(1 - RECENT), { file, bytes }]
      if (bytes === null) this.#unusable.set(file.name, 'it is not there any more')
      return bytes
    } catch (error) {
      // The place itself does not answer: that is no matter of one segment.
      if (error instanceof WalshipError) throw error
      this.#unusable.set(file.name, error instanceof Error ? error.message : String(error))
      return null
    }
  }
}
