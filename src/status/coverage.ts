import { formatLsn, type Lsn } from '../wal/index.js'
import type { CoverageState, LsnRange } from './facts.js'
import type { Coverage, CoverageGap, CoveredRange, RecoveryStretch } from './snapshot.js'

/**
 * What the archive holds as a line without overlaps, the holes in it, and the stretch a recovery can use. Pure.
 *
 * A hole is what lies between two held ranges of one timeline. Where a timeline branches off, its first
 * segment begins before the switch, so that the line goes on unbroken.
 */
export function describeCoverage(state: CoverageState): Coverage {
  const held = joinRanges(state.held)
  const accountedFor = joinRanges([...held, ...state.onItsWay])
  const gaps: CoverageGap[] = []
  for (const [index, range] of accountedFor.entries()) {
    const next = accountedFor[index + 1]
    if (next === undefined || next.timeline !== range.timeline) continue
    const hole = { timeline: range.timeline, from: range.to, to: next.from }
    const recorded = state.recordedGaps.some((gap) => gap.from <= hole.from && gap.to >= hole.to)
    gaps.push({ ...covered(hole), recorded })
  }
  return {
    listedAt: state.listedAt.toISOString(),
    held: held.map(covered),
    gaps,
    window: windowText(windowOf(held, state.ancestors), state),
  }
}

/** Ranges of a timeline that touch become one; in the order of timelines, then positions. */
export function joinRanges(ranges: readonly LsnRange[]): LsnRange[] {
  const sorted = [...ranges].sort((a, b) => a.timeline - b.timeline || (a.from < b.from ? -1 : 1))
  const result: LsnRange[] = []
  for (const range of sorted) {
    const last = result.at(-1)
    if (last !== undefined && last.timeline === range.timeline && range.from <= last.to) {
      if (range.to > last.to) result[result.length - 1] = { ...last, to: range.to }
    } else result.push(range)
  }
  return result
}

/**
 * The stretch that a recovery to the newest timeline can use: from the archive's end back to the first hole, over the
 * switches of timelines.
 *
 * @param held joined and in order
 * @returns null when nothing is held
 */
export function windowOf(held: readonly LsnRange[], ancestors: CoverageState['ancestors']): LsnRange | null {
  const last = held.at(-1)
  if (last === undefined) return null
  let { from } = last
  for (let timeline = last.timeline; ; ) {
    const parent = ancestors.filter((ancestor) => ancestor.timeline < timeline).at(-1)
    if (parent === undefined) break
    // The parent's WAL counts up to the switch, and must reach to where the child's begins.
    const before = held.find(
      (range) => range.timeline === parent.timeline && range.from < from && range.to >= from,
    )
    if (before === undefined || from > parent.switchLsn) break
    from = before.from
    timeline = parent.timeline
  }
  return { timeline: last.timeline, from, to: last.to }
}

function windowText(window: LsnRange | null, { commits }: CoverageState): RecoveryStretch | null {
  if (window === null) return null
  return {
    ...covered(window),
    firstCommitAt: commits?.from.toISOString() ?? null,
    lastCommitAt: commits?.to.toISOString() ?? null,
  }
}

function covered({ timeline, from, to }: LsnRange): CoveredRange {
  return { timeline, from: formatLsn(from), to: formatLsn(to), bytes: size(from, to) }
}

function size(from: Lsn, to: Lsn): number {
  return Number(to - from)
}
