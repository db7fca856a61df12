import type { Lsn, LsnLike } from '../wal/index.js'
import { INVALID_LSN } from '../wal/index.js'
import { Cursor } from './cursor.js'
import { UsageError } from './errors.js'
import { expertPlan, type StartExpertOptions } from './expert-plan.js'
import { logicalPlan } from './logical-plan.js'
import { type StreamOptions, type StreamPlan, statusIntervalMs } from './open-stream.js'
import { physicalPlan } from './physical-plan.js'
import type { PluginOptionValue } from './quote.js'
import type { CreatedSlot } from './replication-commands.js'
import type {
  ConsumeOptions,
  CursorDoor,
  ReadOptions,
  ReplicationConnection,
  StartResult,
} from './replication-connection.js'
import type { MessageCursor, ReplicationMessage } from './replication-message.js'
import { REPLICATION_LOGICAL, REPLICATION_PHYSICAL, type ReplicationType } from './replication-type.js'
import type { CreateSlotOptions } from './slot-commands.js'
import { createSlot, type DropSlotOptions, dropSlot } from './slots.js'
import type { EndOfStream, FeedbackOptions } from './stream-contract.js'
import { textDecoding } from './text-decoding.js'

/** Everything psycopg2's start_replication takes, and what any stream takes. */
export interface StartOptions extends StreamOptions {
  readonly slotName?: string
  /** Default: the connection's own type. */
  readonly slotType?: ReplicationType
  /** Absent or 0: where the slot is; for a physical stream without one, where the server is. */
  readonly startLsn?: LsnLike
  /** Physical streams only. */
  readonly timeline?: number
  /** For the output plugin; logical streams only. */
  readonly options?: Readonly<Record<string, PluginOptionValue>>
  /** `payload` is text, in the encoding that the plugin writes, or in the one that is named. */
  readonly decode?: boolean | string
  /** Seconds between statuses, at least 1. Default 10. */
  readonly statusInterval?: number
}

/**
 * psycopg2's replication cursor: slots, a stream, its messages and the feedback, for both kinds of
 * replication. All cursors of a connection share its one stream.
 */
export class ReplicationCursor extends Cursor implements MessageCursor, AsyncDisposable {
  readonly #connection: ReplicationConnection
  readonly #door: CursorDoor

  /** @internal Cursors are made by `connection.cursor()`. */
  constructor(connection: ReplicationConnection, door: CursorDoor) {
    super(door.command)
    this.#connection = connection
    this.#door = door
  }

  get connection(): ReplicationConnection {
    return this.#connection
  }

  /** CREATE_REPLICATION_SLOT. The row that the server answered with can be fetched too. */
  createReplicationSlot(name: string, options: CreateSlotOptions = {}): Promise<CreatedSlot> {
    return createSlot((sql, rest) => this.run(sql, rest), this.#connection, name, options)
  }

  /** DROP_REPLICATION_SLOT. A stream of this connection is ended first: it may be what holds the slot. */
  async dropReplicationSlot(name: string, options: DropSlotOptions = {}): Promise<void> {
    if (this.streaming) await this.stopReplication()
    await dropSlot((sql, rest) => this.run(sql, rest), this.#connection, name, options)
  }

  /**
   * START_REPLICATION.
   *
   * @throws UsageError for what does not go together, before anything is sent
   * @throws ServerError when the server refuses
   */
  async startReplication(options: StartOptions = {}): Promise<StartResult> {
    statusIntervalMs(options.statusInterval, 1)
    return this.#open(await this.#plan(options), options)
  }

  /** Starts a stream with a command of the caller's own, which nobody checks. */
  async startReplicationExpert(command: string, options: StartExpertOptions = {}): Promise<StartResult> {
    return this.#open(await expertPlan(this.#connection, command, options), options)
  }

  /**
   * The next message, or null when none came in time.
   *
   * @throws ReplicationEnded after the last message of a stream that ended well; else what broke it
   */
  readReplicationMessage(options?: ReadOptions): Promise<ReplicationMessage | null> {
    return this.#connection.readReplicationMessage(options)
  }

  /** psycopg2's name of `readReplicationMessage`; it waits, as that does. */
  readMessage(options?: ReadOptions): Promise<ReplicationMessage | null> {
    return this.#connection.readReplicationMessage(options)
  }

  /** The next message if one is complete; never waits. Throws at the end of the stream. */
  tryReadMessage(): ReplicationMessage | null {
    return this.#connection.tryReadMessage()
  }

  /** Waits until a read would not wait; false at the timeout. In place of select(). */
  waitReadable(timeoutMs?: number, signal?: AbortSignal): Promise<boolean> {
    return this.#connection.waitReadable(timeoutMs, signal)
  }

  /** See ReplicationConnection.consumeStream. */
  consumeStream(
    consume: (message: ReplicationMessage) => void | Promise<void>,
    options?: ConsumeOptions,
  ): Promise<EndOfStream> {
    return this.#connection.consumeStream(consume, options)
  }

  /** See ReplicationConnection.messages. */
  messages(options?: { readonly signal?: AbortSignal }): AsyncGenerator<ReplicationMessage, EndOfStream> {
    return this.#connection.messages(options)
  }

  [Symbol.asyncIterator](): AsyncGenerator<ReplicationMessage, EndOfStream> {
    return this.#connection.messages()
  }

  /**
   * Records how far you got. The server hears of it with the next status, or now with `force` or
   * `replyRequested`.
   *
   * @throws UsageError for a position beyond what was received: the server would believe it
   */
  sendFeedback(feedback?: FeedbackOptions): void {
    this.#connection.sendFeedback(feedback)
  }

  /** Ends the stream and waits until the server agreed. */
  stopReplication(options?: { drainTimeoutMs?: number }): Promise<EndOfStream> {
    return this.#connection.stopReplication(options)
  }

  /** The socket's file descriptor; -1 where Node.js hides it. */
  fileno(): number {
    return this.#connection.fileno()
  }

  get streaming(): boolean {
    return this.#connection.streaming
  }

  /** The furthest end of WAL the server has told of in this stream; 0 before. */
  get walEnd(): Lsn {
    return this.#connection.serverEndLsn ?? INVALID_LSN
  }

  /** What was last reported as written, or will be with the next status. */
  get writeLsn(): Lsn {
    return this.#connection.feedbackPositions?.write ?? INVALID_LSN
  }

  get flushLsn(): Lsn {
    return this.#connection.feedbackPositions?.flush ?? INVALID_LSN
  }

  get applyLsn(): Lsn {
    return this.#connection.feedbackPositions?.apply ?? INVALID_LSN
  }

  /** When anything last came from the server or went to it; null before the stream. */
  get ioTimestamp(): Date | null {
    return this.#connection.ioTimestamp
  }

  /** When a status last went out; null before the first. */
  get feedbackTimestamp(): Date | null {
    return this.#connection.feedbackTimestamp
  }

  /** How the stream ended, or null. */
  get endOfStream(): EndOfStream | null {
    return this.#connection.endOfStream
  }

  /** Ends a running stream and closes the cursor. The connection goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.streaming && !this.#connection.closed) await this.stopReplication()
    this.close()
  }

  #open(plan: StreamPlan, options: StreamOptions): Promise<StartResult> {
    return this.#door.openStream(plan, options, this)
  }

  async #plan(options: StartOptions): Promise<StreamPlan> {
    const slotType = options.slotType ?? this.#connection.replicationType
    const { slotName, timeline, decode = false } = options
    if (slotType === REPLICATION_LOGICAL) {
      if (!slotName) throw new UsageError('slot name is required for logical replication')
      if (timeline) throw new UsageError('cannot specify timeline for logical replication')
      return logicalPlan(this.#connection, { ...options, slotName })
    }
    if (slotType !== REPLICATION_PHYSICAL) throw new UsageError(`unrecognized replication type: ${slotType}`)
    if (Object.keys(options.options ?? {}).length > 0)
      throw new UsageError('cannot specify output plugin options for physical replication')
    const text = {
      decode: decode !== false,
      toText: textDecoding(typeof decode === 'string' ? decode : 'UTF8'),
    }
    return { ...(await physicalPlan(this.#connection, options)), text }
  }
}
