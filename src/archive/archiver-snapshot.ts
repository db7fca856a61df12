import type { WalshipError } from '../base/index.js'
import type { Lsn } from '../wal/index.js'

/** How an archiver is doing, for status and logs. */
export interface ArchiverSnapshot {
  /** Timeline followed; 0 before there is one. */
  readonly timeline: number
  /** INVALID_LSN while nothing is known. */
  readonly archived: Lsn
  /** Finished segments in the directory that the archive is not known to hold. */
  readonly pendingSegments: number
  /** bytes, before compression */
  readonly pendingBytes: number
  /** When the oldest of them was finished, in milliseconds since the epoch; up to one look old. */
  readonly oldestPendingAt: number | null
  /** Files set aside: in conflict, or not to be read. */
  readonly stuckFiles: number
  /** Attempts that failed since the start. */
  readonly failures: number
  /** Milliseconds since the epoch; null while the store works. */
  readonly failingSince: number | null
  readonly lastError: WalshipError | null
}
