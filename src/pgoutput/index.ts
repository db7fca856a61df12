export { PgoutputDecoder } from './decoder.js'
export { PgoutputError, PgoutputMemoryError } from './errors.js'
export { pgoutputMessages } from './iterate-messages.js'
export { pgoutputTransactions, type TransactionOptions } from './iterate-transactions.js'
export type { PgoutputPayload, PgoutputSource } from './message-source.js'
export {
  acknowledgeLsn,
  type BeginMessage,
  type BeginPrepareMessage,
  type Change,
  type CommitMessage,
  type CommitPreparedMessage,
  type DeleteMessage,
  type InsertMessage,
  type LogicalMessage,
  type OriginMessage,
  type PgoutputMessage,
  type PrepareMessage,
  type RelationMessage,
  type RollbackPreparedMessage,
  type StreamAbortMessage,
  type StreamCommitMessage,
  type StreamPrepareMessage,
  type StreamStartMessage,
  type StreamStopMessage,
  type TruncateMessage,
  type TypeMessage,
  type UpdateMessage,
} from './messages.js'
export { type PgoutputOptions, pgoutputOptions } from './plugin-options.js'
export { Relation, type RelationColumn, type ReplicaIdentity, type TypeName } from './relation.js'
export type {
  CommitPrepared,
  CommittedTransaction,
  Origin,
  PreparedTransaction,
  ReplicatedTransaction,
  RollbackPrepared,
  StandaloneMessage,
} from './transaction.js'
export { DEFAULT_MAX_BUFFERED_BYTES, TransactionCollector } from './transaction-collector.js'
export { type ColumnValue, Tuple, UNCHANGED_TOAST } from './tuple.js'
