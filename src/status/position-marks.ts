import type { Lsn } from '../wal/index.js'

/** How long the server has had something. */
export interface Age {
  readonly seconds: number
  /** It was there when the server was first heard: in truth it may be older. */
  readonly atLeast: boolean
}

interface Mark {
  readonly lsn: Lsn
  readonly atMs: number
}

const MAX_MARKS = 1024

/**
 * When the server was first heard to have which WAL: a few (position, time) marks, from which the age of any
 * byte follows.
 *
 * An age is never made up. It can be too small by the time between two looks, and never by more; where marks
 * had to be thinned out it is too large, so that an alarm comes early and not late.
 */
export class PositionMarks {
  #marks: Mark[] = []
  /** What lies before is of unknown age: it was there when the server was first heard, or is forgotten. */
  #knownFrom: Lsn | null = null

  /** The furthest position the server was heard to have. */
  get end(): Lsn | null {
    return this.#marks.at(-1)?.lsn ?? null
  }

  /**
   * The server has WAL up to here.
   *
   * @param nowMs of a clock that only goes forward
   */
  observe(lsn: Lsn, nowMs: number): void {
    const last = this.#marks.at(-1)
    if (last !== undefined && lsn <= last.lsn) return
    this.#knownFrom ??= lsn
    this.#marks.push({ lsn, atMs: nowMs })
    if (this.#marks.length > MAX_MARKS) this.#thinOut()
  }

  /** A timeline was left at `switchLsn`: what the old one had beyond it never comes. */
  forgetBeyond(switchLsn: Lsn): void {
    const beyond = this.#marks.find(({ lsn }) => lsn > switchLsn)
    if (beyond === undefined) return
    this.#marks = this.#marks.filter(({ lsn }) => lsn < switchLsn)
    this.#marks.push({ lsn: switchLsn, atMs: beyond.atMs })
    if (this.#knownFrom !== null && this.#knownFrom > switchLsn) this.#knownFrom = switchLsn
  }

  /** The age of bytes before this is not worth its room any more. Of who asks all the same it is a lower bound. */
  forgetBefore(lsn: Lsn): void {
    if (this.#knownFrom !== null && lsn > this.#knownFrom) this.#knownFrom = lsn
    const kept = this.#marks.findIndex((mark) => mark.lsn > lsn)
    this.#marks.splice(0, kept === -1 ? Math.max(0, this.#marks.length - 1) : kept)
  }

  /**
   * For how long the server has had the byte at `lsn`.
   *
   * @returns null when the server was never heard; 0 seconds when it does not have the byte yet
   */
  ageAt(lsn: Lsn, nowMs: number): Age | null {
    if (this.#knownFrom === null) return null
    const mark = this.#marks.find((candidate) => candidate.lsn > lsn)
    if (mark === undefined) return { seconds: 0, atLeast: false }
    return { seconds: Math.max(0, nowMs - mark.atMs) / 1000, atLeast: lsn < this.#knownFrom }
  }

  /** Of two neighbours the later position gets the earlier time. The newest half keeps its precision. */
  #thinOut(): void {
    const half = MAX_MARKS / 2
    const older = this.#marks.slice(0, half)
    const joined = older.flatMap((mark, index) =>
      index % 2 === 1 ? [{ lsn: mark.lsn, atMs: older[index - 1]!.atMs }] : [],
    )
    this.#marks = [...joined, ...this.#marks.slice(half)]
  }
}
