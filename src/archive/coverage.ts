import { INVALID_LSN, type Lsn, lsnAdd, lsnMin, segmentStart } from '../wal/index.js'
import type { Catalog, SegmentId } from './catalog.js'

/** Where the WAL of a stretch of segment numbers is to be found: `from` is in, `to` is not (null: open end). */
interface Stretch {
  readonly timeline: number
  readonly from: bigint
  readonly to: bigint | null
}

/** Missing segments, by number: `from` is the first, `to` is not missing. */
export interface Hole {
  readonly from: bigint
  readonly to: bigint
}

/**
 * How far the archive reaches without a hole, on the line of timelines that ends in the one now
 * followed. Pure.
 *
 * Promises: `archived` passes a byte only when the archive was seen to hold it and everything
 * between it and the place where coverage began; on a new timeline only when its history file and
 * all segments of the older timelines that lead to it are held too. Else a server would recycle WAL
 * of before the switch because of WAL from after it.
 */
export class Coverage {
  readonly #segmentSize: number
  readonly #catalog: Catalog
  readonly #tailCovered: (id: SegmentId) => number
  #line: readonly Stretch[] = []
  /** First segment that is not proved, from the beginning of the coverage on. */
  #next = 0n
  #historyProved = false
  #archived: Lsn = INVALID_LSN

  /** @param tailCovered bytes from the start of a segment on that tail parts hold without a hole */
  constructor(segmentSize: number, catalog: Catalog, tailCovered: (id: SegmentId) => number) {
    this.#segmentSize = segmentSize
    this.#catalog = catalog
    this.#tailCovered = tailCovered
  }

  /** The timeline followed; 0 when there is none yet. */
  get timeline(): number {
    return this.#line[0]?.timeline ?? 0
  }

  /** INVALID_LSN when nothing is known to be archived. */
  get archived(): Lsn {
    return this.#archived
  }

  /** The timeline needs no history file, or the archive holds it. */
  get hasHistory(): boolean {
    return this.#historyProved
  }

  /**
   * Follows a timeline.
   *
   * @param head the segment that comes after the finished ones; coverage begins where the unbroken run
   *   of known segments below it begins
   * @returns the hole below that beginning when older segments are known, else null
   */
  follow(timeline: number, head: bigint): Hole | null {
    this.#line = lineOf(timeline, head, this.#catalog)
    let begin = head
    while (begin > 0n && this.#isKnown(begin - 1n)) begin -= 1n
    this.#next = begin
    this.#historyProved = timeline <= 1
    this.#archived = INVALID_LSN
    const below = this.#lastKnownBelow(begin)
    return below === null ? null : { from: below + 1n, to: begin }
  }

  /** The history file of the timeline followed is in the archive. */
  proveHistory(timeline: number): void {
    if (timeline === this.timeline) this.#historyProved = true
  }

  /** Looks again at what is proved. @returns true when `archived` has moved */
  update(): boolean {
    const newest = this.#line[0]
    if (newest === undefined) return false
    for (;;) {
      const timeline = this.#timelineOf(this.#next)
      if (timeline === null) break
      const end = this.#catalog.held(timeline).firstMissing(this.#next)
      const bound = this.#line.find((stretch) => stretch.timeline === timeline)?.to ?? end
      const reached = end < bound ? end : bound
      if (reached === this.#next) break
      this.#next = reached
    }
    let segment = this.#next
    let covered = this.#tailOf(segment)
    while (covered === this.#segmentSize) covered = this.#tailOf(++segment)
    let archived = lsnAdd(segmentStart(segment, this.#segmentSize), covered)
    if (!this.#historyProved) archived = lsnMin(archived, segmentStart(newest.from, this.#segmentSize))
    if (archived <= this.#archived) return false
    this.#archived = archived
    return true
  }

  /** The first hole below `head`, from the segment due next on: neither in the directory nor in the archive. */
  firstHole(head: bigint): Hole | null {
    let from = this.#next
    while (from < head && this.#isKnown(from)) from += 1n
    if (from >= head) return null
    let to = from + 1n
    while (to < head && !this.#isKnown(to)) to += 1n
    return { from, to }
  }

  #isKnown(segment: bigint): boolean {
    const timeline = this.#timelineOf(segment)
    return timeline !== null && this.#catalog.isKnown({ timeline, segment })
  }

  #tailOf(segment: bigint): number {
    const timeline = this.#timelineOf(segment)
    return timeline === null ? 0 : this.#tailCovered({ timeline, segment })
  }

  #timelineOf(segment: bigint): number | null {
    const found = this.#line.find(({ from, to }) => segment >= from && (to === null || segment < to))
    return found?.timeline ?? null
  }

  #lastKnownBelow(segment: bigint): bigint | null {
    let best: bigint | null = null
    for (const { timeline, to } of this.#line) {
      const bound = to === null || to > segment ? segment : to
      for (const known of [this.#catalog.local(timeline), this.#catalog.held(timeline)]) {
        for (const range of known.ranges) {
          if (range.from >= bound) continue
          const last = (range.to < bound ? range.to : bound) - 1n
          if (best === null || last > best) best = last
        }
      }
    }
    return best
  }
}

/**
 * The timelines that lead to one, each with the segments that count: a segment of an older timeline
 * counts only below the first segment of the next younger one, because from there on it is not part
 * of the same history.
 */
function lineOf(timeline: number, head: bigint, catalog: Catalog): Stretch[] {
  const stretches: Stretch[] = []
  let to: bigint | null = null
  for (const older of catalog.timelines.concat(timeline).sort((a, b) => b - a)) {
    if (older > timeline || stretches.at(-1)?.timeline === older) continue
    const known = [catalog.local(older).first, catalog.held(older).first]
    if (older === timeline) known.push(head)
    const firsts = known.filter((first) => first !== null)
    if (firsts.length === 0) continue
    const from = firsts.reduce((a, b) => (b < a ? b : a))
    if (to !== null && from >= to) continue
    stretches.push({ timeline: older, from, to })
    to = from
  }
  return stretches
}
