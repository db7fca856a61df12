export {
  type AckPolicy,
  type AckPositions,
  type ArchivedMark,
  ackArchived,
  ackFlushed,
  ackVerified,
  ackWrittenOnly,
  chooseAckPolicy,
  type Watermarks,
} from './ack-policy.js'
export type { ArchiveDoor, Gap } from './archive-door.js'
export { ReceiveError } from './errors.js'
export type { Progress, ReceiveEvent, StopCause } from './events.js'
export { type OpenSegmentView, Receiver, type ReceiverOptions, type RetryPolicy } from './receiver.js'
export type { LeftBranch } from './server-line.js'
export { createSlot, dropSlot } from './slot-actions.js'
export type { StandbyOptions } from './standby.js'
export { checkBehindArchive } from './start-behind-archive.js'
export type { StartPoint } from './stream-position.js'
export type { VerifyMode } from './wal-check.js'
export type { SpaceLimits } from './watch-space.js'
