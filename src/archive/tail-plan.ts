import type { TailRange } from './archive-target.js'

/** A part of the open segment in the archive, and how often its bytes were merged. */
export interface TailPart extends TailRange {
  readonly generation: number
}

/** So many parts of one generation become one of the next. */
export const PARTS_PER_MERGE = 32

/** Larger parts would save nothing: they are few already. */
const MERGED_SIZE_LIMIT = 16 * 1024 * 1024

/**
 * The parts that lead from the segment's start without a hole, each reaching further than the one
 * before, the fewest that do. Parts may overlap: a merge leaves both for a moment, and two receivers
 * cut differently.
 */
export function coveringParts<Part extends TailRange>(parts: readonly Part[]): Part[] {
  const chosen: Part[] = []
  let covered = 0
  for (;;) {
    const reaching = parts.filter(({ from, to }) => from <= covered && to > covered)
    if (reaching.length === 0) return chosen
    const best = reaching.reduce((a, b) => (b.to > a.to ? b : a))
    chosen.push(best)
    covered = best.to
  }
}

/**
 * Parts to be joined into one, or null while they are few enough. Neighbours of one generation are
 * joined, not everything from the segment's start: a segment that fills with thousands of small
 * commits would be sent again and again as a whole, where this sends a byte once per generation.
 *
 * @param parts next to each other, in order, all in the archive
 */
export function partsToMerge(parts: readonly TailPart[]): readonly TailPart[] | null {
  let begin = 0
  for (let end = 1; end <= parts.length; end += 1) {
    const run = parts.slice(begin, end)
    const last = run.at(-1)!
    if (last.generation !== parts[begin]!.generation) {
      begin = end - 1
      continue
    }
    if (last.to - run[0]!.from > MERGED_SIZE_LIMIT) begin += 1
    if (end - begin === PARTS_PER_MERGE) return parts.slice(begin, end)
  }
  return null
}
