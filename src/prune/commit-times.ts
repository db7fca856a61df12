import { dateToPgTime } from '../wal/index.js'
import type { PrunableFile } from './prunable-wal.js'

/** The earliest and the latest commit in a segment, in microseconds since 2000-01-01 UTC. */
export interface CommitSpan {
  readonly first: bigint
  readonly last: bigint
}

/** Null: no commit is in it; undefined: that cannot be told. */
export type SegmentCommits = CommitSpan | null | undefined

/** How a segment is asked when its commits were. */
export interface CommitTimeSource {
  /** By an index that is kept with it; undefined when there is none. */
  indexed(file: PrunableFile, signal: AbortSignal): Promise<SegmentCommits>
  /** By reading the WAL; undefined when it cannot be read or understood. */
  read(file: PrunableFile, segmentSize: number, signal: AbortSignal): Promise<SegmentCommits>
  /** Reading is cheap here, so that it goes before the time at which a file was stored. */
  readonly isNear: boolean
}

/** Indexes asked for at once. */
const AT_ONCE = 16
/** So many of the newest segments are looked at for the newest commit. */
const NEWEST_LIMIT = 64

/**
 * When the commits of segments were: by their indexes; where there is none by the time at which the segment was stored,
 * which is later than all its commits; and where that settles nothing by reading it. Each segment is asked once.
 */
export class CommitTimes {
  readonly #source: CommitTimeSource
  readonly #segmentSize: number
  readonly #signal: AbortSignal
  readonly #indexed = new Map<string, Promise<SegmentCommits>>()
  readonly #read = new Map<string, Promise<SegmentCommits>>()
  #byStoredTime = 0
  #segmentsRead = 0

  /** @param segmentSize bytes */
  constructor(source: CommitTimeSource, segmentSize: number, signal: AbortSignal) {
    this.#source = source
    this.#segmentSize = segmentSize
    this.#signal = signal
  }

  /** How it was found out, for people. */
  get effort(): { readonly byStoredTime: number; readonly segmentsRead: number } {
    return { byStoredTime: this.#byStoredTime, segmentsRead: this.#segmentsRead }
  }

  /** The newest commit of files in the order of their segments; null when none is found near their end. */
  async newest(files: readonly PrunableFile[]): Promise<bigint | null> {
    for (const file of files.slice(-NEWEST_LIMIT).reverse()) {
      const indexed = await this.#indexOf(file)
      const commits = indexed === undefined ? await this.#readingOf(file) : indexed
      if (commits) return commits.last
    }
    return null
  }

  /**
   * The first file with a commit at or behind a moment, or of which that cannot be ruled out.
   *
   * @param files in the order of their segments; only those before the one that is found are all looked at, so that
   *   it does not matter whether times grow with positions
   * @returns the index in `files`; -1 when all commits are older
   */
  async firstSince(files: readonly PrunableFile[], moment: bigint): Promise<number> {
    let newestBefore: bigint | null = null
    for (let number = 0; number < files.length; number++) {
      if (number % AT_ONCE === 0)
        await Promise.all(files.slice(number, number + AT_ONCE).map((file) => this.#indexOf(file)))
      const last = await this.#lastOf(files[number]!, moment, newestBefore)
      if (last === undefined || (last !== null && last >= moment)) return number
      if (last !== null && (newestBefore === null || last > newestBefore)) newestBefore = last
    }
    return -1
  }

  /** By indexes alone: what a window that begins or ends with these files covers. */
  async spanByIndexes(files: readonly PrunableFile[]): Promise<CommitSpan | null> {
    const first = await this.#firstIndexed(files.slice(0, NEWEST_LIMIT))
    const last = await this.#firstIndexed(files.slice(-NEWEST_LIMIT).reverse())
    return first === null || last === null ? null : { first: first.first, last: last.last }
  }

  async #firstIndexed(files: readonly PrunableFile[]): Promise<CommitSpan | null> {
    for (const file of files) {
      const commits = await this.#indexOf(file)
      if (commits) return commits
    }
    return null
  }

  /** Of the last commit in it; undefined: it may be of any time. */
  async #lastOf(
    file: PrunableFile,
    moment: bigint,
    newestBefore: bigint | null,
  ): Promise<bigint | null | undefined> {
    const indexed = await this.#indexOf(file)
    if (indexed !== undefined) return indexed?.last ?? null
    const stored = file.storedAt === null ? null : dateToPgTime(file.storedAt)
    // It was stored after the commits of the segment before it were made, or else one of the clocks is wrong.
    const isCredible = stored !== null && (newestBefore === null || stored >= newestBefore)
    if (!this.#source.isNear && isCredible && stored < moment) {
      this.#byStoredTime++
      return stored
    }
    const read = await this.#readingOf(file)
    if (read !== undefined) return read?.last ?? null
    if (!isCredible) return undefined
    this.#byStoredTime++
    return stored
  }

  #indexOf(file: PrunableFile): Promise<SegmentCommits> {
    return once(this.#indexed, file, () => this.#source.indexed(file, this.#signal))
  }

  #readingOf(file: PrunableFile): Promise<SegmentCommits> {
    return once(this.#read, file, () => {
      this.#segmentsRead++
      return this.#source.read(file, this.#segmentSize, this.#signal)
    })
  }
}

function once(
  known: Map<string, Promise<SegmentCommits>>,
  { name, kind }: PrunableFile,
  ask: () => Promise<SegmentCommits>,
): Promise<SegmentCommits> {
  const key = `${kind} ${name}`
  const found = known.get(key) ?? ask()
  known.set(key, found)
  return found
}
