import type { Lsn } from '../wal/index.js'
import type { Change, LogicalMessage } from './messages.js'

/** Where a transaction was first made, when it came to this server from another one. */
export interface Origin {
  /** Null where the server could not find it any more. */
  readonly name: string | null
  /** Position of the commit there; 0/0 without a name, and in a streamed part, which comes before it is known. */
  readonly lsn: Lsn
}

interface Acknowledgeable {
  /** The flush position to report once this is safe. */
  readonly acknowledgeLsn: Lsn
}

interface Changes {
  readonly xid: number
  /** Came in parts while it was still running. */
  readonly streamed: boolean
  readonly origin: Origin | null
  /** In the order they were made; what was rolled back to a savepoint is not there. */
  readonly changes: readonly Change[]
}

/** A transaction that has committed, whole. */
export interface CommittedTransaction extends Acknowledgeable, Changes {
  readonly kind: 'transaction'
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly commitTime: Date
  readonly commitTimeMicros: bigint
}

/**
 * A transaction after PREPARE TRANSACTION: whole, and not decided yet. Once it is acknowledged
 * the server sends its changes never again, only what became of it, so keep them by `gid`.
 */
export interface PreparedTransaction extends Acknowledgeable, Changes {
  readonly kind: 'prepared transaction'
  readonly gid: string
  readonly prepareLsn: Lsn
  readonly endLsn: Lsn
  readonly prepareTime: Date
  readonly prepareTimeMicros: bigint
}

/** What was prepared under this `gid` counts now. */
export interface CommitPrepared extends Acknowledgeable {
  readonly kind: 'commit prepared'
  readonly gid: string
  readonly xid: number
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly commitTime: Date
  readonly commitTimeMicros: bigint
}

/** What was prepared under this `gid` is void. */
export interface RollbackPrepared extends Acknowledgeable {
  readonly kind: 'rollback prepared'
  readonly gid: string
  readonly xid: number
  /** End of the prepare record. */
  readonly prepareEndLsn: Lsn
  readonly endLsn: Lsn
  readonly rollbackTime: Date
  readonly rollbackTimeMicros: bigint
}

/** A message that belongs to no transaction. It can come once more after a reconnect. */
export interface StandaloneMessage extends Acknowledgeable {
  readonly kind: 'message'
  readonly message: LogicalMessage
}

/** What a stream brings, in the order in which it took effect on the server. */
export type ReplicatedTransaction =
  | CommittedTransaction
  | PreparedTransaction
  | CommitPrepared
  | RollbackPrepared
  | StandaloneMessage
