export type { ConsumedPosition, StoredPosition } from './consumed-position.js'
export { DivergedServerError, SlotLostError } from './errors.js'
export type { ConsumerEvent, SlotConsumerOptions } from './options.js'
export { SlotConsumer } from './slot-consumer.js'
