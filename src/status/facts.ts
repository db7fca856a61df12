import type { Lsn } from '../wal/index.js'
import type { PositionMarks } from './position-marks.js'
import type {
  Counters,
  DirectoryFacts,
  ErrorFacts,
  ProcessFacts,
  RecentEvent,
  SlotFacts,
  StreamState,
} from './snapshot.js'

/** What is known at one moment, as the parts of walship tell it. `buildSnapshot` makes the picture of it. */
export interface StatusFacts {
  readonly source: 'running' | 'at-rest'
  readonly cluster: string | null
  readonly now: Date
  /** Of the clock that the marks were made with. */
  readonly nowMs: number
  /** When the server was heard to have which WAL. */
  readonly marks: PositionMarks
  readonly process: ProcessFacts | null
  readonly stream: {
    readonly state: StreamState
    readonly since: Date | null
    readonly standby: string | null
    readonly timeline: number | null
    readonly serverSeenAt: Date | null
    readonly systemIdentifier: string | null
    readonly lastError: ErrorFacts | null
  }
  /** Null: not known, or there is no such step. */
  readonly positions: {
    readonly received: Lsn | null
    readonly written: Lsn | null
    readonly flushed: Lsn | null
    readonly verified: Lsn | null
    readonly archived: Lsn | null
    readonly reported: Lsn | null
  }
  readonly archive: ArchiveState | null
  readonly slot: SlotFacts
  readonly directory: DirectoryFacts
  readonly counters: Counters
  readonly coverage: CoverageState | null
  readonly events: readonly RecentEvent[]
}

export interface ArchiveState {
  readonly store: string
  readonly state: 'opening' | 'working' | 'failing' | 'at-rest'
  readonly failingSince: Date | null
  readonly lastError: ErrorFacts | null
  readonly lastSuccessAt: Date | null
  readonly pendingSegments: number | null
  readonly pendingBytes: number | null
  readonly oldestPendingAt: Date | null
  readonly stuckFiles: number | null
}

export interface LsnRange {
  readonly timeline: number
  readonly from: Lsn
  /** Not included. */
  readonly to: Lsn
}

/** Moments of commits that a recovery can reach, as far as indexes of finished segments tell. */
export interface CommitWindow {
  /** Of the earliest commit. */
  readonly from: Date
  /** Of the latest one; what is in the open segment may be later. */
  readonly to: Date
}

export interface CoverageState {
  readonly listedAt: Date
  /** In any order; ranges may touch and overlap. */
  readonly held: readonly LsnRange[]
  /** In the directory, or being sent: not held yet, and no hole. */
  readonly onItsWay: readonly LsnRange[]
  /** Holes that were accepted. */
  readonly recordedGaps: readonly LsnRange[]
  /** Where each timeline but the first branched off: the history of the newest one. */
  readonly ancestors: readonly { readonly timeline: number; readonly switchLsn: Lsn }[]
  /** Null: not looked at, or no index tells. */
  readonly commits: CommitWindow | null
}

/** Above these walship is not ready. 0: not looked at. */
export interface Thresholds {
  /** seconds that WAL may be on the server without being written here */
  readonly writtenLagSeconds: number
  /** seconds that WAL may be on the server without being archived */
  readonly archivedLagSeconds: number
}

export const DEFAULT_THRESHOLDS: Thresholds = { writtenLagSeconds: 30, archivedLagSeconds: 300 }
