import { formatLsn, type Lsn, segmentNumber, segmentStart } from '../wal/index.js'
import { backupsOn, type Floors } from './floors.js'
import type { KnownBackup, PrunableGap } from './prunable-wal.js'
import { filesOfLine, type KeptTimeline, type Line, newestWithWal } from './timeline-lines.js'

/** Why nothing should be removed. */
export interface PruneProblem {
  readonly kind: 'hole' | 'backup-start' | 'history' | 'nothing-left'
  readonly timeline: number
  readonly from: Lsn | null
  readonly to: Lsn | null
  /** It is near the end of its line, where segments that are being sent may not be there yet. */
  readonly mayHeal: boolean
  readonly text: string
}

/** Segments go up several at once; far more than can be on their way. */
const ON_THEIR_WAY = 64n

export interface ChainFacts {
  readonly timelines: readonly KeptTimeline[]
  readonly lines: readonly Line[]
  readonly floors: Floors
  /** Those whose recovery is promised. */
  readonly backups: readonly KnownBackup[]
  readonly gaps: readonly PrunableGap[]
  readonly segmentSize: number
}

/** Whether what is promised can be kept: every line whole from its floor on, and something left at all. */
export function chainProblems(facts: ChainFacts): PruneProblem[] {
  const { timelines, lines, floors, segmentSize } = facts
  const problems: PruneProblem[] = []
  for (const { timeline, ancestors } of timelines)
    if (ancestors === null)
      problems.push({
        ...{ kind: 'history', timeline, from: null, to: null, mayHeal: false },
        text: `the history file of timeline ${timeline} is missing or cannot be read, so it is not known where it began`,
      })
  const received = newestWithWal(timelines)
  const seen = new Set<string>()
  for (const line of lines) {
    const floor = floors.get(line.timeline) ?? null
    if (floor === null) continue
    const files = filesOfLine(line, timelines).filter(({ segment }) => segment >= floor.segment)
    if (line.timeline === received && !files.some(({ kind }) => kind !== 'partial'))
      problems.push({
        ...{ kind: 'nothing-left', timeline: line.timeline, mayHeal: false, to: null },
        from: segmentStart(floor.segment, segmentSize),
        text: `no WAL of timeline ${line.timeline} would be left: it ends before ${lsnText(floor.segment, segmentSize)}`,
      })
    for (const hole of holesOf(files.map(({ segment }) => segment))) {
      const from = segmentStart(hole.from, segmentSize)
      const to = segmentStart(hole.to, segmentSize)
      const isAccepted = isCovered(hole, facts)
      const { timeline } = files.find(({ segment }) => segment === hole.to)!
      const key = `${timeline} ${from}`
      if (isAccepted || seen.has(key)) continue
      seen.add(key)
      const mayHeal = files.at(-1)!.segment - hole.to < ON_THEIR_WAY
      const text = `WAL from ${formatLsn(from)} to ${formatLsn(to)} on timeline ${timeline} is missing`
      problems.push({ kind: 'hole', timeline, from, to, mayHeal, text })
    }
  }
  return [...problems, ...startProblems(facts)]
}

/** The WAL that a backup begins with has to be there, on some line that leads through it. */
function startProblems({ timelines, lines, backups, segmentSize }: ChainFacts): PruneProblem[] {
  const missing = backups.filter(({ start, timeline }, number) => {
    const its = lines.filter((line) => backupsOn(line, [backups[number]!], segmentSize).length > 0)
    const segment = segmentNumber(start, segmentSize)
    return !its.some((line) =>
      filesOfLine(line, timelines).some(
        (file) => file.segment === segment && (timeline === null || file.timeline >= timeline),
      ),
    )
  })
  return missing.map(({ name, start, timeline }) => ({
    ...{ kind: 'backup-start', timeline: timeline ?? 0, from: start, to: null, mayHeal: true },
    text: `the WAL that backup ${name} begins with, at ${formatLsn(start)}, is not there`,
  }))
}

/** Each segment of it was accepted: a gap may begin and end within one. */
function isCovered(hole: { readonly from: bigint; readonly to: bigint }, facts: ChainFacts): boolean {
  const { gaps, segmentSize } = facts
  for (let segment = hole.from; segment < hole.to; segment++) {
    const from = segmentStart(segment, segmentSize)
    const to = segmentStart(segment + 1n, segmentSize)
    if (!gaps.some((gap) => gap.from < to && gap.to > from)) return false
  }
  return true
}

function holesOf(segments: readonly bigint[]): { readonly from: bigint; readonly to: bigint }[] {
  return segments.slice(1).flatMap((to, index) => {
    const from = segments[index]! + 1n
    return from === to ? [] : [{ from, to }]
  })
}

function lsnText(segment: bigint, segmentSize: number): string {
  return formatLsn(segmentStart(segment, segmentSize))
}
