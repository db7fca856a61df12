import type { Lsn } from '../wal/index.js'
import type { PruneProblem } from './chain-check.js'
import type { CommitSpan } from './commit-times.js'
import type { Departure } from './kept-ranges.js'
import type { KnownBackup, LockedUntil, PrunableGap } from './prunable-wal.js'
import type { Leaving } from './removal-order.js'
import type { Line } from './timeline-lines.js'

/** What is asked for. What any of the rules keeps, stays. */
export interface PruneRules {
  readonly keepForMs: number | null
  /** So many of the newest backups. */
  readonly keepBackups: number | null
  /** Backups that were named. Without a rule of time or count all of them are kept. */
  readonly backups: readonly KnownBackup[]
  /** What is behind stays, and the segment itself; a segment is named by 24 digits. */
  readonly before: { readonly lsn: Lsn } | { readonly segmentName: string } | null
}

/** Why a stretch stays or goes. */
export type Fate =
  | { readonly kind: 'goes'; readonly departure: Departure }
  | { readonly kind: 'stays'; readonly why: string }
  | { readonly kind: 'locked'; readonly until: LockedUntil }
  /** It would be left on the far side of a hole, because something else is locked. */
  | { readonly kind: 'behind-lock' }

/** Files of one timeline that follow on each other and have the same fate. */
export interface PlannedStretch {
  readonly timeline: number
  readonly firstSegment: string
  readonly lastSegment: string
  readonly from: Lsn
  readonly to: Lsn
  readonly files: number
  readonly storedBytes: number
  readonly fate: Fate
}

/** What a recovery to the end of one timeline can use: all from `from` on, without a hole. */
export interface PlannedWindow {
  readonly from: Lsn
  /** End of the last finished segment; what is open goes beyond it. */
  readonly to: Lsn
  /** As far as indexes tell. */
  readonly commits: CommitSpan | null
}

export interface WindowChange {
  readonly timeline: number
  readonly before: PlannedWindow
  /** Null: nothing is left of it. */
  readonly after: PlannedWindow | null
}

export interface PrunePlan {
  readonly source: string
  readonly systemIdentifier: bigint
  /** bytes */
  readonly segmentSize: number
  /** Commits from here on are kept; null without a rule of time. */
  readonly cutoffTime: bigint | null
  /** Backups that are kept by count or by name. */
  readonly backups: readonly KnownBackup[]
  readonly stretches: readonly PlannedStretch[]
  readonly windows: readonly WindowChange[]
  /** In the order in which it is to go. */
  readonly goes: readonly Leaving[]
  readonly gapsGo: readonly PrunableGap[]
  /** The line to each timeline's end. */
  readonly lines: ReadonlyMap<number, Line>
  /** Why nothing should go. */
  readonly problems: readonly PruneProblem[]
  /** For people. */
  readonly notes: readonly string[]
}
