import type { Departure } from './kept-ranges.js'
import type { PrunableFile } from './prunable-wal.js'
import { type Line, leadsThrough } from './timeline-lines.js'

export interface Leaving {
  readonly file: PrunableFile
  readonly departure: Departure
}

/**
 * The order in which files may go one by one, so that whatever is left at any moment has no new hole:
 *
 * - ends of timelines first, the newest segment first, children before their parents;
 * - then beginnings, the oldest segment first, parents before their children.
 */
export function inRemovalOrder(leaving: readonly Leaving[]): Leaving[] {
  const ends = leaving.filter(({ departure }) => departure !== 'before')
  const beginnings = leaving.filter(({ departure }) => departure === 'before')
  ends.sort((a, b) => b.file.timeline - a.file.timeline || compare(b.file.segment, a.file.segment))
  beginnings.sort((a, b) => compare(a.file.segment, b.file.segment) || a.file.timeline - b.file.timeline)
  return [...ends, ...beginnings]
}

/** A file that cannot be removed now. */
interface Obstacle {
  readonly timeline: number
  readonly segment: bigint
  readonly departure: Departure
}

/**
 * The obstacles that decide: of each timeline the first one in the order of removal. What stands behind a later one
 * stands behind that one too.
 */
export class Obstacles {
  readonly #first = new Map<string, Obstacle>()
  readonly #lineOf: (timeline: number) => Line

  /** @param lineOf the line to a timeline's end */
  constructor(lineOf: (timeline: number) => Line) {
    this.#lineOf = lineOf
  }

  get isEmpty(): boolean {
    return this.#first.size === 0
  }

  add({ file: { timeline, segment }, departure }: Leaving): void {
    const isBeginning = departure === 'before'
    const key = `${isBeginning} ${timeline}`
    const other = this.#first.get(key)
    if (other === undefined || (isBeginning ? segment < other.segment : segment > other.segment))
      this.#first.set(key, { timeline, segment, departure })
  }

  hinder(each: Leaving): boolean {
    return [...this.#first.values()].some((obstacle) => standsBehind(each, obstacle, this.#lineOf))
  }
}

/**
 * True where a file has to stay because another one does, which would be left on the far side of a hole: what is
 * behind a beginning that stays, on its timeline and on those that branch off there; and what is before an end.
 */
function standsBehind(
  { file, departure }: Leaving,
  obstacle: Obstacle,
  lineOf: (timeline: number) => Line,
): boolean {
  if ((departure === 'before') !== (obstacle.departure === 'before')) return false
  if (departure === 'before')
    return (
      file.segment >= obstacle.segment &&
      leadsThrough(lineOf(file.timeline), obstacle.timeline, obstacle.segment)
    )
  return (
    file.segment <= obstacle.segment && leadsThrough(lineOf(obstacle.timeline), file.timeline, file.segment)
  )
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
