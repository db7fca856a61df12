/**
 * One picture of a receiver and its archive. Everything that tells about walship is made from it: metrics,
 * status.json, the page, the terminal. It is what JSON can hold: positions as text (`16/B374D848`), times
 * in ISO 8601.
 *
 * Null means "not known" or "does not apply", never zero.
 */
export interface StatusSnapshot {
  /** Raised when a field changes its meaning or goes. */
  readonly formatVersion: 1
  /** `running`: told by the process that receives. `at-rest`: computed from the directory and the store. */
  readonly source: 'running' | 'at-rest'
  readonly takenAt: string
  /** Its name in the configuration file; null for the one of a command line. */
  readonly cluster: string | null
  readonly process: ProcessFacts | null
  readonly verdict: Verdict
  readonly stream: StreamFacts
  readonly positions: Readonly<Record<PositionName, Position>>
  readonly loss: Readonly<Record<Disaster, PossibleLoss>>
  /** Null: WAL goes nowhere else. */
  readonly archive: ArchiveFacts | null
  readonly slot: SlotFacts
  readonly directory: DirectoryFacts
  readonly counters: Counters
  readonly coverage: Coverage | null
  /** The newest last. */
  readonly events: readonly RecentEvent[]
}

/**
 * How far each step is. `received`: taken from the socket. `written`: handed to the operating system.
 * `flushed`: on disk for good. `verified`: written, and its records were checked. `archived`: the store was seen to hold it
 * and everything before it. `reported`: what the server was told is safe, so that it may remove it.
 */
export const POSITION_NAMES = ['received', 'written', 'flushed', 'verified', 'archived', 'reported'] as const
export type PositionName = (typeof POSITION_NAMES)[number]

export interface Position {
  readonly lsn: string | null
  /** Behind the server, in bytes. */
  readonly lagBytes: number | null
  /**
   * For how long the server has had the first byte that is missing here; 0 when none is. Measured from the
   * moment the server was first heard to have it.
   */
  readonly lagSeconds: number | null
  /** The server had the byte before it was first heard of: the lag in seconds is at least this. */
  readonly atLeast: boolean
}

/**
 * What is lost for good if it happens now. `server`: the server and its disks are gone, this machine is not.
 * `directory`: the local directory is gone, the server is not. `both`: only the store is left.
 */
export const DISASTERS = ['server', 'directory', 'both'] as const
export type Disaster = (typeof DISASTERS)[number]

export interface PossibleLoss {
  readonly bytes: number | null
  readonly seconds: number | null
  readonly atLeast: boolean
  /** Why it is not known; null when it is. */
  readonly unknown: string | null
}

/** `safe`, or how bad it is; with the reasons, the worst first. */
export interface Verdict {
  readonly level: VerdictLevel
  /** One sentence. */
  readonly headline: string
  readonly reasons: readonly VerdictReason[]
  /** Streaming and within the thresholds, or standing by. */
  readonly ready: boolean
}

export type VerdictLevel = 'safe' | 'warning' | 'danger' | 'unknown'

export interface VerdictReason {
  readonly level: 'warning' | 'danger'
  /** Stable, such as `archived-lag`. */
  readonly code: string
  readonly text: string
  /** True where it makes walship not ready. */
  readonly blocksReady: boolean
}

export interface ProcessFacts {
  readonly version: string
  readonly pid: number
  readonly startedAt: string
  readonly residentBytes: number
  readonly cpuSeconds: number
}

/**
 * `standby`: another receiver is at work, and this one waits to take over. `failed`: given up, on what only a person
 * can mend; of several clusters such a one is tried anew after a while.
 */
export type StreamState =
  | 'connecting'
  | 'streaming'
  | 'standby'
  | 'paused'
  | 'retrying'
  | 'failed'
  | 'stopped'
  | 'at-rest'

export interface StreamFacts {
  readonly state: StreamState
  readonly since: string | null
  /** Who is at work meanwhile; null in all states but `standby`. */
  readonly standby: string | null
  readonly timeline: number | null
  /** The furthest end of WAL the server was heard to have. */
  readonly serverLsn: string | null
  /** When that was last looked at on a living connection. */
  readonly serverSeenAt: string | null
  readonly systemIdentifier: string | null
  readonly lastError: ErrorFacts | null
}

export interface ErrorFacts {
  readonly code: string
  readonly message: string
  readonly at: string
}

export interface ArchiveFacts {
  /** Without secrets: `s3://bucket/prefix`. */
  readonly store: string
  readonly state: 'opening' | 'working' | 'failing' | 'at-rest'
  readonly failingSince: string | null
  readonly lastError: ErrorFacts | null
  readonly lastSuccessAt: string | null
  /** Finished segments that the archive is not known to hold. */
  readonly pendingSegments: number | null
  readonly pendingBytes: number | null
  /** When the oldest of them was finished, seconds ago; null when there is none. */
  readonly oldestPendingSeconds: number | null
  /** Files in conflict, or not to be read. */
  readonly stuckFiles: number | null
}

export interface SlotFacts {
  /** Null: no slot is used. */
  readonly name: string | null
  /** Why the rest is not known; null when it is. */
  readonly unknown: string | null
  readonly checkedAt: string | null
  readonly active: boolean | null
  /** PostgreSQL 13 and newer. `lost`: the WAL is gone. */
  readonly walStatus: 'reserved' | 'extended' | 'unreserved' | 'lost' | null
  /** Bytes that can be written before the slot may be lost; null: without a limit, or not known. */
  readonly safeWalBytes: number | null
  /** WAL that the server keeps for the slot, in bytes. */
  readonly retainedBytes: number | null
}

export interface DirectoryFacts {
  readonly path: string
  readonly freeBytes: number | null
  readonly totalBytes: number | null
  /** Files of WAL in it. */
  readonly walFiles: number | null
  readonly walBytes: number | null
  /** Receiving stops below this; 0: never. */
  readonly minFreeBytes: number
}

/** Since the process began. */
export interface Counters {
  readonly connects: number
  readonly streamFailures: number
  /** How often it was given up, to be tried anew; 0 where that ends the process. */
  readonly breakdowns: number
  readonly timelineSwitches: number
  readonly receivedBytes: number
  readonly segmentsFinished: number
  /** Places in the WAL that the server itself holds damaged; see --verify. */
  readonly damagedPlaces: number
  readonly segmentsArchived: number
  readonly uploadFailures: number
}

/** What the archive holds, as far as it was looked at. */
export interface Coverage {
  /** When the store was last listed. */
  readonly listedAt: string
  /** Finished segments, and the open tail; in order. */
  readonly held: readonly CoveredRange[]
  /** Between what is held. */
  readonly gaps: readonly CoverageGap[]
  /** The unbroken stretch that ends at the archive's end: what a recovery can use. Null: nothing. */
  readonly window: RecoveryStretch | null
}

export interface RecoveryStretch extends CoveredRange {
  /** Times of its earliest and latest commit; the latest may be later, in the open segment. Null: not known. */
  readonly firstCommitAt: string | null
  readonly lastCommitAt: string | null
}

export interface CoveredRange {
  readonly timeline: number
  readonly from: string
  readonly to: string
  readonly bytes: number
}

export interface CoverageGap extends CoveredRange {
  /** It was accepted with --allow-gap. */
  readonly recorded: boolean
}

export interface RecentEvent {
  readonly at: string
  readonly level: string
  /** A name of the log's table of events. */
  readonly event: string
  readonly text: string
}
