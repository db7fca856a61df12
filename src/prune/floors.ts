import { formatLsn, type Lsn, segmentNumber } from '../wal/index.js'
import type { KnownBackup } from './prunable-wal.js'
import { type Line, leadsThrough } from './timeline-lines.js'

/** From this segment on a line is kept. */
export interface Floor {
  readonly segment: bigint
  /** For people: what keeps it. */
  readonly why: string
}

/** Where each line begins to be kept, by its timeline; null: nothing asks for the line. */
export type Floors = ReadonlyMap<number, Floor | null>

/** Rules add up: a line is kept from the lowest floor that any rule gives it. */
export function lowestFloors(all: readonly Floors[]): Floors {
  const lowest = new Map<number, Floor | null>()
  for (const floors of all) {
    for (const [timeline, floor] of floors) {
      const other = lowest.get(timeline) ?? null
      lowest.set(
        timeline,
        floor === null || (other !== null && other.segment <= floor.segment) ? other : floor,
      )
    }
  }
  return lowest
}

/** Everything from a segment on, on whatever timeline: as pg_archivecleanup has it. */
export function floorsBefore(lines: readonly Line[], segment: bigint, why: string): Floors {
  return new Map(lines.map(({ timeline }) => [timeline, { segment, why }]))
}

/**
 * What the recoveries from these backups need. A line that none of them leads to is kept from the lowest start on:
 * it may have backups that nobody has named.
 *
 * @param backups at least one
 */
export function floorsOfBackups(
  lines: readonly Line[],
  backups: readonly KnownBackup[],
  segmentSize: number,
): Floors {
  return new Map(
    lines.map((line) => {
      const its = backupsOn(line, backups, segmentSize)
      const oldest = (its.length > 0 ? its : backups).reduce((a, b) => (b.start < a.start ? b : a))
      const why =
        its.length > 0
          ? `backup ${oldest.name} begins at ${formatLsn(oldest.start)}`
          : `a backup of another timeline begins at ${formatLsn(oldest.start)}`
      return [line.timeline, { segment: segmentNumber(oldest.start, segmentSize), why }]
    }),
  )
}

/** The backups that can be recovered to the end of a line, in the order of their starts. */
export function backupsOn(
  line: Line,
  backups: readonly KnownBackup[],
  segmentSize: number,
): readonly KnownBackup[] {
  return backups
    .filter(
      ({ timeline, start }) =>
        timeline === null || leadsThrough(line, timeline, segmentNumber(start, segmentSize)),
    )
    .sort(byStart)
}

/**
 * The newest backups. Positions on timelines that lie side by side do not compare, so it is the newest of all and the
 * newest of those that lead to the timeline that is received.
 *
 * @param line to the newest timeline; null when there is none
 */
export function newestBackups(
  backups: readonly KnownBackup[],
  count: number,
  line: Line | null,
  segmentSize: number,
): KnownBackup[] {
  const leading = line === null ? [] : backupsOn(line, backups, segmentSize)
  return [...new Set([...[...backups].sort(byStart).slice(-count), ...leading.slice(-count)])].sort(byStart)
}

/**
 * The lowest position that a recovery to a moment needs: the start of the newest backup that had ended before, and of
 * all that had begun and are not known to have ended. One whose end is not known counts as ended when the next began.
 *
 * @param moment position that the recovery window begins with
 * @param its backups that lead there, in the order of their starts
 */
export function anchorBefore(moment: Lsn, its: readonly KnownBackup[]): KnownBackup | null {
  const begun = its.filter(({ start }) => start < moment)
  const isDone = ({ end }: KnownBackup, number: number) =>
    end === null ? number + 1 < begun.length : end <= moment
  const anchor = begun.findLastIndex(isDone)
  const needed = begun.filter((backup, number) => number === anchor || !isDone(backup, number))
  return needed[0] ?? null
}

function byStart(a: KnownBackup, b: KnownBackup): number {
  return a.start < b.start ? -1 : a.start > b.start ? 1 : 0
}
