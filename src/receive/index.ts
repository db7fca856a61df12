export {
  type AckPolicy,
  type AckPositions,
  ackFlushed,
  ackWrittenOnly,
  chooseAckPolicy,
  type Watermarks,
} from './ack-policy.js'
export { ReceiveError } from './errors.js'
export type { Progress, ReceiveEvent, StopCause } from './events.js'
export { Receiver, type ReceiverOptions, type RetryPolicy } from './receiver.js'
export { createSlot, dropSlot } from './slot-actions.js'
