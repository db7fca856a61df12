export { type ConnectionFactory, connect } from './connect.js'
export type { ConnectOptions } from './connect-options.js'
export { type CommandOptions, Connection } from './connection.js'
export {
  ConnectionFailedError,
  ConnectionLostError,
  PgError,
  ProtocolError,
  ServerError,
  type ServerFields,
  SlotActiveError,
  SlotInvalidatedError,
  UsageError,
  WalRemovedError,
} from './errors.js'
export { LogicalReplicationConnection, type StartLogicalOptions } from './logical-replication-connection.js'
export type { StreamOptions } from './open-stream.js'
export {
  PhysicalReplicationConnection,
  type StartPhysicalOptions,
} from './physical-replication-connection.js'
export type { PluginOptionValue } from './quote.js'
export type {
  CreatedSlot,
  NextTimeline,
  PhysicalSlot,
  SystemIdentity,
  TimelineHistory,
} from './replication-commands.js'
export {
  type CreateSlotOptions,
  type FeedbackOptions,
  type ReadOptions,
  ReplicationConnection,
  ReplicationEnded,
  type StartResult,
} from './replication-connection.js'
export { ReplicationMessage } from './replication-message.js'
export { REPLICATION_LOGICAL, REPLICATION_PHYSICAL, type ReplicationType } from './replication-type.js'
export type { Column, QueryResult, SqlTuple, SqlValue } from './sql-values.js'
export type { EndOfStream } from './stream-contract.js'
export type { WalSink } from './wal-sink.js'
