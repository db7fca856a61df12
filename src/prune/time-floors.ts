import { dateToPgTime, segmentNumber, segmentStart } from '../wal/index.js'
import type { CommitTimes } from './commit-times.js'
import { anchorBefore, backupsOn, type Floor, type Floors } from './floors.js'
import type { KnownBackup, PrunableFile } from './prunable-wal.js'
import { filesOfLine, type KeptTimeline, type Line, newestWithWal } from './timeline-lines.js'

export interface TimeRule {
  readonly keepForMs: number
  readonly now: Date
  /** A moment of the window is of use only with a backup that had ended before it: where they are known. */
  readonly backups: readonly KnownBackup[]
}

export interface TimeFloors {
  readonly floors: Floors
  /** Commits from here on are kept; microseconds since 2000-01-01 UTC. Null: there are none to reckon from. */
  readonly cutoff: bigint | null
}

/**
 * Where lines begin that are to be kept for a time.
 *
 * The time is reckoned from the newest commit, or from now when that is earlier. So neither a clock of this machine
 * that is ahead nor a server that was idle lets more go than was asked for; clocks that are wrong keep more, not less.
 *
 * A line goes altogether when all its commits are older and it was stored before that time, but never the one to the
 * newest timeline and never the one with the newest commit.
 */
export async function floorsSince(
  rule: TimeRule,
  timelines: readonly KeptTimeline[],
  lines: readonly Line[],
  times: CommitTimes,
  segmentSize: number,
): Promise<TimeFloors> {
  const floors = new Map<number, Floor | null>()
  const filesOf = new Map(lines.map((line) => [line.timeline, filesOfLine(line, timelines)]))
  const newest = new Map<number, bigint | null>()
  for (const [timeline, files] of filesOf) newest.set(timeline, await times.newest(files))
  const last = highest([...newest.values()])
  if (last === null) {
    const all: Floor = { segment: 0n, why: 'no commit is found to reckon a time from' }
    return { floors: new Map(lines.map(({ timeline }) => [timeline, all])), cutoff: null }
  }
  const now = dateToPgTime(rule.now)
  const cutoff = (last < now ? last : now) - BigInt(rule.keepForMs) * 1000n
  const received = newestWithWal(timelines)
  for (const line of lines) {
    const { timeline } = line
    const files = filesOf.get(timeline)!
    const mayGo = timeline !== received && newest.get(timeline) !== last
    const first = await firstKept(files, cutoff, mayGo, times)
    floors.set(timeline, first === null ? null : withBackup(first, line, rule.backups, segmentSize))
  }
  return { floors, cutoff }
}

async function firstKept(
  files: readonly PrunableFile[],
  cutoff: bigint,
  mayGo: boolean,
  times: CommitTimes,
): Promise<Floor | null> {
  const number = await times.firstSince(files, cutoff)
  if (number >= 0) {
    const { segment } = files[number]!
    // A commit that goes over the end of a segment is in the index of neither.
    const isFollowed = number > 0 && files[number - 1]!.segment + 1n === segment
    return { segment: isFollowed ? segment - 1n : segment, why: 'commits within --keep-for' }
  }
  const last = files.at(-1)
  if (last === undefined) return null
  const isOld = last.storedAt !== null && dateToPgTime(last.storedAt) < cutoff
  return mayGo && isOld ? null : { segment: last.segment, why: 'the newest WAL of a timeline that may go on' }
}

function withBackup(first: Floor, line: Line, backups: readonly KnownBackup[], segmentSize: number): Floor {
  const anchor = anchorBefore(segmentStart(first.segment, segmentSize), backupsOn(line, backups, segmentSize))
  if (anchor === null) return first
  return {
    segment: segmentNumber(anchor.start, segmentSize),
    why: `backup ${anchor.name}, from which --keep-for begins`,
  }
}

function highest(times: readonly (bigint | null)[]): bigint | null {
  return times.reduce<bigint | null>((a, b) => (a === null || (b !== null && b > a) ? b : a), null)
}
