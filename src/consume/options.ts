import type { Backoff } from '../base/index.js'
import type {
  ConnectOptions,
  CreateSlotOptions,
  LogicalReplicationConnection,
  ReplicationMessage,
  StartLogicalOptions,
} from '../pg/index.js'
import type { ConsumedPosition, StoredPosition } from './consumed-position.js'

/** What happens to a consumer, for logs. */
export type ConsumerEvent =
  | { readonly kind: 'streaming'; readonly from: ConsumedPosition; readonly host: string }
  | { readonly kind: 'slot-created'; readonly slotName: string; readonly snapshotName: string | null }
  /** The next try comes after `delayMs`. */
  | { readonly kind: 'retry'; readonly error: Error; readonly attempt: number; readonly delayMs: number }

export interface SlotConsumerOptions {
  /** Several hosts and `target_session_attrs=read-write` follow a failover. */
  readonly connection: ConnectOptions
  /** The slot and how to stream from it; `startLsn` comes from `resumeFrom`. */
  readonly stream: Omit<StartLogicalOptions, 'startLsn' | 'signal'>
  /**
   * Where the data stands, asked before the first stream; null when nothing was consumed yet. Without it
   * the slot's own position counts, and what was acknowledged shortly before a crash may come again.
   */
  readonly resumeFrom?: () => StoredPosition | Promise<StoredPosition>
  /**
   * Makes the slot when it is missing, but only while nothing was consumed: a slot that was lost is an
   * error, because a new one would begin later.
   */
  readonly createSlot?: CreateSlotOptions
  /**
   * Makes the first copy, once the slot was made: with `snapshot: 'export'` under `snapshotName`, which shows what
   * was committed before the slot's start and nothing else. Store `position` with the copy, in the same
   * transaction. When it throws the slot is dropped again, and `run` rejects.
   */
  readonly onSlotCreated?: (snapshotName: string | null, position: ConsumedPosition) => void | Promise<void>
  /** Gets one message after the other; acknowledge with `message.ack()` what is safe. */
  readonly onMessage?: (message: ReplicationMessage) => void | Promise<void>
  /**
   * In place of `onMessage`: reads the started stream itself, for example as decoded transactions. It
   * returns when the stream ends, and lets the errors of the connection through.
   */
  readonly read?: (connection: LogicalReplicationConnection, signal: AbortSignal) => Promise<void>
  /** Delays between tries. Default 0.5 s, doubling up to 30 s, half of it random. */
  readonly retry?: Partial<Backoff>
  readonly onEvent?: (event: ConsumerEvent) => void
}
