import type { Lsn } from '../wal/index.js'
import type { Relation, TypeName } from './relation.js'
import type { Tuple } from './tuple.js'

/**
 * The messages of pgoutput, protocol versions 1 to 4 (PostgreSQL chapter 54.9, "Logical
 * Replication Message Formats"). `kind` tells them apart. Fields that end in `Micros` are the
 * server's clock in microseconds since 2000-01-01 UTC, of which the Date beside it keeps the milliseconds.
 */
interface MessageBase {
  /** Position in the WAL, from the header that the message came with; 0/0 where the server sends none. */
  readonly lsn: Lsn
}

interface Streamable extends MessageBase {
  /** The transaction or subtransaction within a streamed transaction; null outside of one, where Begin tells. */
  readonly xid: number | null
}

/** Everything up to the next Commit belongs to this transaction. */
export interface BeginMessage extends MessageBase {
  readonly kind: 'begin'
  /** Position of the commit record: the `commitLsn` of the Commit to come. */
  readonly finalLsn: Lsn
  readonly commitTime: Date
  readonly commitTimeMicros: bigint
  readonly xid: number
}

export interface CommitMessage extends MessageBase {
  readonly kind: 'commit'
  readonly commitLsn: Lsn
  /** End of the commit record: what to acknowledge once the transaction is safe. */
  readonly endLsn: Lsn
  readonly commitTime: Date
  readonly commitTimeMicros: bigint
}

/** The transaction came to this server from another one. */
export interface OriginMessage extends MessageBase {
  readonly kind: 'origin'
  /** Position of the commit there; 0/0 without a name, and in a streamed part, which comes before it is known. */
  readonly originLsn: Lsn
  /** Null where the server could not find it any more: some then send a payload of no bytes in its place. */
  readonly name: string | null
}

/** Comes before the Relation that has a column of this type. */
export interface TypeMessage extends Streamable, TypeName {
  readonly kind: 'type'
  readonly oid: number
}

export type RelationMessage = Relation

export interface InsertMessage extends Streamable {
  readonly kind: 'insert'
  readonly relation: Relation
  readonly new: Tuple
}

export interface UpdateMessage extends Streamable {
  readonly kind: 'update'
  readonly relation: Relation
  /** The old key, when the update changed it. */
  readonly key: Tuple | null
  /** The old row, with REPLICA IDENTITY FULL. */
  readonly old: Tuple | null
  readonly new: Tuple
}

/** Either `key` or `old` is there. */
export interface DeleteMessage extends Streamable {
  readonly kind: 'delete'
  readonly relation: Relation
  readonly key: Tuple | null
  /** The old row, with REPLICA IDENTITY FULL. */
  readonly old: Tuple | null
}

/** Server 11 and later. */
export interface TruncateMessage extends Streamable {
  readonly kind: 'truncate'
  readonly relations: readonly Relation[]
  readonly cascade: boolean
  readonly restartIdentity: boolean
}

/** pg_logical_emit_message: server 14 and later, with the option `messages`. */
export interface LogicalMessage extends Streamable {
  readonly kind: 'message'
  /** False: written whether or not its transaction commits, and sent outside of any. */
  readonly transactional: boolean
  readonly messageLsn: Lsn
  readonly prefix: string
  /** A view of the payload. */
  readonly content: Buffer
}

/** The next part of a transaction that is still running (version 2, option `streaming`), up to Stream Stop. */
export interface StreamStartMessage extends MessageBase {
  readonly kind: 'stream start'
  readonly xid: number
  /** The first part of this transaction. */
  readonly first: boolean
}

export interface StreamStopMessage extends MessageBase {
  readonly kind: 'stream stop'
}

export interface StreamCommitMessage extends MessageBase {
  readonly kind: 'stream commit'
  readonly xid: number
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly commitTime: Date
  readonly commitTimeMicros: bigint
}

/** What was streamed under `subxid` is void; the whole transaction when that is `xid` itself. */
export interface StreamAbortMessage extends MessageBase {
  readonly kind: 'stream abort'
  readonly xid: number
  readonly subxid: number
  /** Version 4 with `streaming` = `parallel`; else null. */
  readonly abortLsn: Lsn | null
  readonly abortTime: Date | null
  readonly abortTimeMicros: bigint | null
}

interface PrepareFields extends MessageBase {
  readonly prepareLsn: Lsn
  /** End of the prepare record. */
  readonly endLsn: Lsn
  readonly prepareTime: Date
  readonly prepareTimeMicros: bigint
  readonly xid: number
  /** The name given in PREPARE TRANSACTION. */
  readonly gid: string
}

/** Everything up to the next Prepare belongs to this transaction (version 3, option `two_phase`). */
export interface BeginPrepareMessage extends PrepareFields {
  readonly kind: 'begin prepare'
}

export interface PrepareMessage extends PrepareFields {
  readonly kind: 'prepare'
}

/** A streamed transaction was prepared. */
export interface StreamPrepareMessage extends PrepareFields {
  readonly kind: 'stream prepare'
}

export interface CommitPreparedMessage extends MessageBase {
  readonly kind: 'commit prepared'
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly commitTime: Date
  readonly commitTimeMicros: bigint
  readonly xid: number
  readonly gid: string
}

export interface RollbackPreparedMessage extends MessageBase {
  readonly kind: 'rollback prepared'
  /** End of the prepare record. */
  readonly prepareEndLsn: Lsn
  /** End of the rollback record. */
  readonly endLsn: Lsn
  readonly prepareTime: Date
  readonly prepareTimeMicros: bigint
  readonly rollbackTime: Date
  readonly rollbackTimeMicros: bigint
  readonly xid: number
  readonly gid: string
}

/** What changes rows, or what a client put between changes. */
export type Change = InsertMessage | UpdateMessage | DeleteMessage | TruncateMessage | LogicalMessage

export type PgoutputMessage =
  | Change
  | BeginMessage
  | CommitMessage
  | OriginMessage
  | TypeMessage
  | RelationMessage
  | StreamStartMessage
  | StreamStopMessage
  | StreamCommitMessage
  | StreamAbortMessage
  | BeginPrepareMessage
  | PrepareMessage
  | StreamPrepareMessage
  | CommitPreparedMessage
  | RollbackPreparedMessage

/**
 * The flush position to report once everything up to and with this message is safe, or null:
 * acknowledging in the middle of a transaction acknowledges nothing.
 *
 * A message outside of transactions has no end position; acknowledged by its own, it can come
 * once more after a reconnect.
 */
export function acknowledgeLsn(message: PgoutputMessage): Lsn | null {
  switch (message.kind) {
    case 'commit':
    case 'stream commit':
    case 'prepare':
    case 'stream prepare':
    case 'commit prepared':
    case 'rollback prepared':
      return message.endLsn
    case 'message':
      return message.transactional ? null : message.messageLsn
    default:
      return null
  }
}
