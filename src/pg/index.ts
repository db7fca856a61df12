export type { CommandOptions } from './command-options.js'
export { configuredServers, secretsIn } from './configured-server.js'
export { type ConnectionFactory, connect } from './connect.js'
export type { ConnectOptions } from './connect-options.js'
export { Connection } from './connection.js'
export { Cursor } from './cursor.js'
export {
  ConnectionFailedError,
  ConnectionLostError,
  PgError,
  type PgErrorOptions,
  ProtocolError,
  ServerError,
  type ServerFields,
  SlotActiveError,
  SlotInvalidatedError,
  UsageError,
  WalRemovedError,
} from './errors.js'
export type { StartExpertOptions } from './expert-plan.js'
export type { StartLogicalOptions } from './logical-plan.js'
export { LogicalReplicationConnection } from './logical-replication-connection.js'
export type { StreamOptions } from './open-stream.js'
export type { StartPhysicalOptions } from './physical-plan.js'
export { PhysicalReplicationConnection } from './physical-replication-connection.js'
export type { PluginOptionValue } from './quote.js'
export type {
  CreatedSlot,
  NextTimeline,
  PhysicalSlot,
  SystemIdentity,
  TimelineHistory,
} from './replication-commands.js'
export {
  type ConsumeOptions,
  type ReadOptions,
  ReplicationConnection,
  ReplicationEnded,
  type StartResult,
} from './replication-connection.js'
export { ReplicationCursor, type StartOptions } from './replication-cursor.js'
export {
  type MessageCursor,
  type MessageSource,
  type MessageText,
  ReplicationMessage,
} from './replication-message.js'
export { REPLICATION_LOGICAL, REPLICATION_PHYSICAL, type ReplicationType } from './replication-type.js'
export type { CreateSlotOptions } from './slot-commands.js'
export type { DropSlotOptions } from './slots.js'
export type { Column, QueryResult, SqlTuple, SqlValue } from './sql-values.js'
export { StopReplication } from './stop-replication.js'
export type { EndOfStream, FeedbackOptions } from './stream-contract.js'
export type { WalSink } from './wal-sink.js'
export { WalsenderConnection } from './walsender-connection.js'
