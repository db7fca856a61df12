import { segmentStart } from '../wal/index.js'
import type { Floors } from './floors.js'
import type { PrunableFile, PrunableGap } from './prunable-wal.js'
import type { KeptTimeline, Line } from './timeline-lines.js'

/** What stays of a timeline, in segment numbers, both included: one range, so that pruning leaves no hole in it. */
export interface KeptRange {
  readonly from: bigint
  /** Null: all from there on. */
  readonly to: bigint | null
  /** For people: what keeps its beginning. */
  readonly why: string
}

/** Why something goes. */
export type Departure =
  /** Nothing that is kept begins so early. */
  | 'before'
  /** Behind the point where the timelines that are kept have left this one. */
  | 'behind-branch'
  /** No timeline that is kept comes through this one. */
  | 'unneeded-timeline'

/** @returns by timeline; null: nothing of it is needed */
export function keptRanges(
  timelines: readonly KeptTimeline[],
  lines: readonly Line[],
  floors: Floors,
): Map<number, KeptRange | null> {
  const ranges = new Map<number, KeptRange | null>()
  // Parents come before their children.
  for (const { timeline } of timelines) {
    const range = rangeOf(timeline, lines, floors)
    const line = lines.find((each) => each.timeline === timeline)!
    ranges.set(timeline, range === null ? null : joinedToParent(range, line, ranges))
  }
  return ranges
}

/** Where a parent stays up to the branch, for whatever reason, its child stays from there on: else there were a hole. */
function joinedToParent(
  range: KeptRange,
  { shares }: Line,
  ranges: ReadonlyMap<number, KeptRange | null>,
): KeptRange {
  const { from: begin } = shares.at(-1)!
  const parent = shares.slice(0, -1).find((share) => {
    const from = ranges.get(share.timeline)?.from
    return from !== undefined && from <= share.to!
  })
  if (parent === undefined || range.from <= begin) return range
  return { ...range, from: begin, why: `goes on from timeline ${parent.timeline}, of which the end stays` }
}

function rangeOf(timeline: number, lines: readonly Line[], floors: Floors): KeptRange | null {
  const wanted = lines.flatMap((line): KeptRange[] => {
    const floor = floors.get(line.timeline) ?? null
    const share = line.shares.find((each) => each.timeline === timeline)
    if (floor === null || share === undefined) return []
    const why = line.timeline === timeline ? floor.why : `${floor.why}, for timeline ${line.timeline}`
    return [{ from: floor.segment, to: share.to, why }]
  })
  if (wanted.length === 0) return null
  const first = wanted.reduce((a, b) => (b.from < a.from ? b : a))
  const to = wanted.map((range) => range.to).reduce((a, b) => (a === null || b === null ? null : maxOf(a, b)))
  return { ...first, to }
}

/** @returns null when it stays */
export function departureOf(
  { timeline, segment }: Pick<PrunableFile, 'timeline' | 'segment'>,
  ranges: ReadonlyMap<number, KeptRange | null>,
): Departure | null {
  const range = ranges.get(timeline)
  // A timeline that was not looked at stays.
  if (range === undefined) return null
  if (range === null) return 'unneeded-timeline'
  if (range.to !== null && segment > range.to) return 'behind-branch'
  return segment < range.from ? 'before' : null
}

/** The record of a hole is of no use once there is nothing left before the hole. */
export function gapMatters(
  { timeline, to }: PrunableGap,
  ranges: ReadonlyMap<number, KeptRange | null>,
  segmentSize: number,
): boolean {
  const range = ranges.get(timeline)
  if (range === undefined) return true
  return range !== null && to > segmentStart(range.from, segmentSize)
}

function maxOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
