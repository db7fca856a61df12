import { sleep } from '../base/index.js'
import { formatLsn, isSegmentFileName, parseSegmentFileName, segmentNumber } from '../wal/index.js'
import { chainProblems } from './chain-check.js'
import { type CommitTimeSource, CommitTimes } from './commit-times.js'
import { PruneError } from './errors.js'
import { type Floors, floorsBefore, floorsOfBackups, lowestFloors, newestBackups } from './floors.js'
import { departureOf, gapMatters, type KeptRange, keptRanges } from './kept-ranges.js'
import { findLocks } from './locks.js'
import type { KnownBackup, PrunableInventory, PrunableWal } from './prunable-wal.js'
import type { PrunePlan, PruneRules } from './prune-plan.js'
import { inRemovalOrder, type Leaving } from './removal-order.js'
import { plannedStretches } from './stretches.js'
import { floorsSince } from './time-floors.js'
import { type KeptTimeline, keptTimelines, type Line, lineTo, newestWithWal } from './timeline-lines.js'
import { windowChanges } from './windows.js'

export interface PlanOptions {
  readonly wal: PrunableWal
  readonly rules: PruneRules
  readonly times: CommitTimeSource
  readonly now: Date
  readonly signal: AbortSignal
  /** Between two looks, when a segment near the end is missing that may be on its way. Default 2000. */
  readonly lookAgainMs?: number
}

const LOOKS = 3
const LOOK_AGAIN_MS = 2000

/**
 * Works out what can go. Removes nothing.
 *
 * @throws PruneError `PRUNE_NO_WAL`, `PRUNE_RULE`, `PRUNE_BACKUP` for a backup of another cluster; what the place says when it cannot be looked at
 */
export async function planPrune(options: PlanOptions): Promise<PrunePlan> {
  for (let look = 1; ; look++) {
    const plan = await lookOnce(options)
    const mayHeal = plan.problems.length > 0 && plan.problems.every((problem) => problem.mayHeal)
    if (!mayHeal || look === LOOKS) return plan
    if (!(await sleep(options.lookAgainMs ?? LOOK_AGAIN_MS, options.signal))) return plan
  }
}

async function lookOnce({ wal, rules, times: source, now, signal }: PlanOptions): Promise<PrunePlan> {
  const inventory = await wal.inventory(signal)
  const { segmentSize, systemIdentifier, files } = inventory
  if (files.length === 0)
    throw new PruneError(`there is no WAL in ${wal.name}`, {
      code: 'PRUNE_NO_WAL',
      hint: 'check the place: only what a receiver has written there is pruned',
    })
  for (const { name, systemIdentifier: theirs } of rules.backups)
    if (theirs !== null && theirs !== systemIdentifier)
      throw new PruneError(`backup "${name}" is of another cluster than the WAL in ${wal.name}`, {
        code: 'PRUNE_BACKUP',
        hint: `its system identifier is ${theirs}, and not ${systemIdentifier}`,
      })
  const timelines = await keptTimelines(inventory, (timeline) => wal.readHistory(timeline, signal))
  const lines = timelines.map((timeline) => lineTo(timeline, segmentSize))
  const times = new CommitTimes(source, segmentSize, signal)
  const found = await floorsOf(rules, inventory, timelines, lines, times, now)
  const { floors, backups, cutoffTime } = found
  const ranges = keptRanges(timelines, lines, floors)
  const leaving: Leaving[] = files.flatMap((file) => {
    const departure = departureOf(file, ranges)
    return departure === null ? [] : [{ file, departure }]
  })
  const byTimeline = new Map(lines.map((line) => [line.timeline, line]))
  const ordered = inRemovalOrder(leaving)
  const locks = await findLocks(wal, ordered, (timeline) => byTimeline.get(timeline)!, signal)
  const problems = chainProblems({ timelines, lines, floors, backups, gaps: inventory.gaps, segmentSize })
  const goes = ordered.filter((each) => !locks.has(each.file))
  const gapsGo = inventory.gaps.filter(
    (gap) =>
      !gapMatters(gap, ranges, segmentSize) &&
      ![...locks.keys()].some(({ timeline }) => timeline === gap.timeline),
  )
  const isGoing = new Set(goes.map(({ file }) => file))
  return {
    ...{ source: wal.name, systemIdentifier, segmentSize, cutoffTime, backups, goes, gapsGo },
    stretches: plannedStretches(timelines, ranges, isGoing, locks, segmentSize),
    windows: await windowChanges(timelines, lines, isGoing, times, segmentSize),
    lines: byTimeline,
    notes: [...found.notes, ...gapNotes(inventory, ranges), ...effortNotes(times)],
    // Without a floor of its own for each line it does not matter where timelines began.
    problems: found.isSameForAll ? problems.filter(({ kind }) => kind !== 'history') : problems,
  }
}

function gapNotes(
  { gaps, segmentSize }: PrunableInventory,
  ranges: ReadonlyMap<number, KeptRange | null>,
): string[] {
  return gaps
    .filter((gap) => gapMatters(gap, ranges, segmentSize))
    .map(({ timeline, from, to }) => {
      const where = `from ${formatLsn(from)} to ${formatLsn(to)} on timeline ${timeline}`
      return `no recovery crosses the gap that was accepted ${where}`
    })
}

function effortNotes({ effort: { byStoredTime, segmentsRead } }: CommitTimes): string[] {
  return [
    ...(byStoredTime === 0
      ? []
      : [`${byStoredTime} segments have no index: they are as old as the time at which they were stored`]),
    ...(segmentsRead === 0
      ? []
      : [`${segmentsRead} segments were read, because nothing else tells their times`]),
  ]
}

interface FoundFloors {
  readonly floors: Floors
  /** Kept by count or by name. */
  readonly backups: readonly KnownBackup[]
  readonly cutoffTime: bigint | null
  readonly isSameForAll: boolean
  readonly notes: readonly string[]
}

async function floorsOf(
  rules: PruneRules,
  inventory: PrunableInventory,
  timelines: readonly KeptTimeline[],
  lines: readonly Line[],
  times: CommitTimes,
  now: Date,
): Promise<FoundFloors> {
  const { segmentSize } = inventory
  const known = [...rules.backups, ...inventory.backups]
  const all: Floors[] = []
  const notes: string[] = []
  if (rules.before !== null) {
    const { segment, text } = resolved(rules.before, segmentSize)
    all.push(floorsBefore(lines, segment, text))
  }
  let kept: readonly KnownBackup[] = []
  if (rules.keepBackups !== null && known.length < rules.keepBackups) {
    const why = `only ${known.length} backups are known of ${rules.keepBackups} that are to be kept`
    notes.push(`${why}: nothing goes`)
    all.push(floorsBefore(lines, 0n, why))
  } else if (rules.keepBackups !== null) {
    const received = newestWithWal(timelines)
    const line = lines.find(({ timeline }) => timeline === received) ?? null
    kept = newestBackups(known, rules.keepBackups, line, segmentSize)
  } else if (rules.keepForMs === null) kept = rules.backups
  if (kept.length > 0) all.push(floorsOfBackups(lines, kept, segmentSize))
  let cutoffTime: bigint | null = null
  if (rules.keepForMs !== null) {
    const rule = { keepForMs: rules.keepForMs, now, backups: known }
    const since = await floorsSince(rule, timelines, lines, times, segmentSize)
    cutoffTime = since.cutoff
    all.push(since.floors)
  }
  if (all.length === 0)
    throw new PruneError('no rule says what is to be kept', {
      code: 'PRUNE_RULE',
      hint: 'use one of --keep-for, --keep-backups, --backup, --backup-lsn, --before, --before-segment',
    })
  const isSameForAll = rules.before !== null && all.length === 1
  return { floors: lowestFloors(all), backups: kept, cutoffTime, isSameForAll, notes }
}

function resolved(
  before: NonNullable<PruneRules['before']>,
  segmentSize: number,
): { readonly segment: bigint; readonly text: string } {
  if ('lsn' in before)
    return {
      segment: segmentNumber(before.lsn, segmentSize),
      text: `the segment with ${formatLsn(before.lsn)} and what follows`,
    }
  const name = before.segmentName
  const parsed = isSegmentFileName(name) ? parseSegmentFileName(name, segmentSize) : null
  // Beyond the last number there is, a name would say nothing about this cluster.
  if (parsed === null || BigInt(`0x${name.slice(16)}`) >= 0x1_0000_0000n / BigInt(segmentSize))
    throw new PruneError(`"${name}" is not the name of a segment of ${segmentSize} bytes`, {
      code: 'PRUNE_RULE',
      hint: 'use 24 digits, as archive_cleanup_command has them in %r',
    })
  return { segment: parsed.segment, text: `segment ${name} and what follows` }
}
