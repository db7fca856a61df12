export type { ConnectOptions } from './connect-options.js'
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
export {
  PhysicalReplicationConnection,
  type StartPhysicalOptions,
  type StartResult,
} from './physical-replication-connection.js'
export type {
  CreatedSlot,
  NextTimeline,
  PhysicalSlot,
  SystemIdentity,
  TimelineHistory,
} from './replication-commands.js'
export {
  type CommandOptions,
  type CreateSlotOptions,
  type FeedbackOptions,
  type ReadOptions,
  ReplicationConnection,
  ReplicationEnded,
} from './replication-connection.js'
export { ReplicationMessage } from './replication-message.js'
export type { EndOfStream } from './stream-contract.js'
export type { WalSink } from './wal-sink.js'
