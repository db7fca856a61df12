import type { WalshipError } from '../base/index.js'
import type { WalProblem } from '../records/index.js'
import type { Lsn } from '../wal/index.js'
import type { LeftBranch } from './server-line.js'
import type { StartPoint } from './stream-position.js'

/** Why a receiver ended without an error. */
export type StopCause = 'endpos' | 'interrupt'

/** What a receiver tells while it runs, in the order it happens. */
export type ReceiveEvent =
  /**
   * For each connection and each timeline. Sent before the history file is fetched and START_REPLICATION is sent, as
   * pg_receivewal says it; where a receiver may stand by, once the server has given it the slot.
   */
  | ({ readonly kind: 'streaming-started' } & StartPoint)
  /** A segment is complete under its final name; `lsn` is its end. */
  | { readonly kind: 'segment-finished'; readonly name: string; readonly lsn: Lsn; readonly timeline: number }
  /** `timeline` follows; the old one was received up to `lsn`. */
  | {
      readonly kind: 'timeline-switched'
      readonly timeline: number
      readonly lsn: Lsn
      /** The timeline that ended, and where the new one branches off: at `lsn` or before. */
      readonly left: { readonly timeline: number; readonly switchLsn: Lsn }
    }
  /** WAL is kept here that the server's history leaves out: a failover has lost it. Once for each start. */
  | ({ readonly kind: 'branch-left' } & LeftBranch)
  /** The open segment was closed before it was full. */
  | { readonly kind: 'segment-left-partial'; readonly name: string }
  /** A file of the directory was not counted when looking for the start. `reason` is a whole sentence. */
  | { readonly kind: 'segment-skipped'; readonly name: string; readonly reason: string }
  /** Nothing more is taken from the stream. */
  | { readonly kind: 'stopping'; readonly cause: StopCause; readonly lsn: Lsn; readonly timeline: number }
  /** The stream has ended as well. */
  | { readonly kind: 'stopped'; readonly cause: StopCause; readonly lsn: Lsn; readonly timeline: number }
  | { readonly kind: 'slot-created'; readonly slotName: string }
  /**
   * Another process does this work, and this one waits to take over: told once, however long it lasts. It
   * ends with `streaming-started`, or with an error.
   */
  | { readonly kind: 'standing-by'; readonly waitsFor: 'slot' | 'directory'; readonly text: string }
  /** Too little room in the directory: nothing is read until there is more. */
  | { readonly kind: 'paused'; readonly freeBytes: number }
  | { readonly kind: 'resumed'; readonly freeBytes: number }
  /** WAL that came is damaged. It is not written; the connection is given up, and the segment fetched again. */
  | { readonly kind: 'wal-suspect'; readonly problem: WalProblem; readonly timeline: number }
  /** It came again and was good: it was damaged on the way. */
  | { readonly kind: 'wal-healed'; readonly problem: WalProblem; readonly timeline: number }
  /** It came again as it was: the server itself holds it so. */
  | {
      readonly kind: 'wal-damaged'
      readonly problem: WalProblem
      readonly timeline: number
      /** Names of the segments that the damaged page or record is in. */
      readonly segments: readonly string[]
    }
  /** An attempt failed. */
  | { readonly kind: 'error'; readonly error: WalshipError }
  | { readonly kind: 'warning'; readonly error: WalshipError }
  /** The next attempt comes after `delayMs`. */
  | {
      readonly kind: 'retrying'
      readonly delayMs: number
      readonly attempt: number
      readonly error: WalshipError
    }

/**
 * How far a receiver is. `received >= written >= flushed` at any moment; they move back only
 * where streaming starts over from what is on disk, or on another timeline.
 */
export interface Progress {
  readonly timeline: number
  /** Taken from the socket. */
  readonly received: Lsn
  /** Handed to the operating system. */
  readonly written: Lsn
  /** Safe on disk under a name that will be found. */
  readonly flushed: Lsn
  /** All records up to here were checked and found good, since the stream began; INVALID_LSN when nobody checks. */
  readonly verified: Lsn
  /** What the server was told is safe: it may remove what lies before. */
  readonly reported: Lsn
  /** The furthest end of WAL the server has told of. */
  readonly serverEnd: Lsn
}
