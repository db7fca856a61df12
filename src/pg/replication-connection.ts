import { type Lsn, type LsnLike, parseLsn } from '../wal/index.js'
import { type CommandOptions, Connection } from './connection.js'
import { ServerError, UsageError } from './errors.js'
import type { MessageQueue } from './message-queue.js'
import { openStream, type StreamOptions, type StreamPlan } from './open-stream.js'
import {
  type CreatedSlot,
  createPhysicalSlotCommand,
  dropReplicationSlotCommand,
  type PhysicalSlot,
  parseCreateReplicationSlot,
  parseDurationMs,
  parseIdentifySystem,
  parseReadReplicationSlot,
  parseTimelineHistory,
  readReplicationSlotCommand,
  type SystemIdentity,
  type TimelineHistory,
  timelineHistoryCommand,
} from './replication-commands.js'
import type { ReplicationMessage } from './replication-message.js'
import type { ReplicationStream } from './replication-stream.js'
import type { ReplicationType } from './replication-type.js'
import { refuseWhileStreaming, singleRow } from './simple-query.js'
import type { EndOfStream } from './stream-contract.js'
import { streamToSink, type WalSink } from './wal-sink.js'

export interface CreateSlotOptions extends CommandOptions {
  readonly temporary?: boolean
  readonly reserveWal?: boolean
  /** A slot of that name is fine as it is. */
  readonly ifNotExists?: boolean
}

export interface FeedbackOptions {
  readonly writeLsn?: LsnLike
  readonly flushLsn?: LsnLike
  readonly applyLsn?: LsnLike
  readonly replyRequested?: boolean
  readonly force?: boolean
}

export interface ReadOptions {
  /** Give up with null after this long, in milliseconds. Default: the status interval. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** The stream has ended; reading on makes no sense. Not a PgError: nothing went wrong. */
export class ReplicationEnded extends Error {
  readonly end: EndOfStream
  constructor(end: EndOfStream) {
    super(`the replication stream has ended: ${end.reason}`)
    this.name = 'ReplicationEnded'
    this.end = end
  }
}

const DEFAULT_STATUS_INTERVAL_MS = 10_000
export const DEFAULT_DRAIN_TIMEOUT_MS = 5_000

export type StartResult =
  | { readonly kind: 'streaming'; readonly startLsn: Lsn; readonly timeline: number | null }
  /** The timeline ends exactly where the stream was to begin: there is nothing to stream. */
  | { readonly kind: 'ended'; readonly end: EndOfStream }

/**
 * A session in a walsender: commands, then at most one stream at a time.
 *
 * After a stream has ended cleanly (also at the end of a timeline) the connection takes commands again.
 */
export abstract class ReplicationConnection<
  Payload extends Buffer | string = Buffer | string,
> extends Connection {
  abstract readonly replicationType: ReplicationType
  protected stream: ReplicationStream | null = null
  protected queue: MessageQueue | null = null
  #statusIntervalMs = DEFAULT_STATUS_INTERVAL_MS
  #reading = false

  get streaming(): boolean {
    return this.stream !== null && this.stream.outcome === null
  }

  /** IDENTIFY_SYSTEM. */
  async identifySystem(options?: CommandOptions): Promise<SystemIdentity> {
    return parseIdentifySystem(await this.command('IDENTIFY_SYSTEM', options))
  }

  /** SHOW: the value as text, with its unit. The only way to read settings on a physical connection. */
  async show(name: string, options?: CommandOptions): Promise<string> {
    if (!/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name))
      throw new UsageError(`invalid setting name ${JSON.stringify(name)}`)
    return (
      singleRow(await this.command(`SHOW ${name}`, options), 1, `could not read setting "${name}"`)[0] ?? ''
    )
  }

  /**
   * READ_REPLICATION_SLOT (version 15 and later).
   *
   * @returns null when there is no such slot
   */
  async readReplicationSlot(name: string, options?: CommandOptions): Promise<PhysicalSlot | null> {
    return parseReadReplicationSlot(await this.command(readReplicationSlotCommand(name), options))
  }

  /** TIMELINE_HISTORY: the server's history file of a timeline above 1, byte for byte. */
  async timelineHistory(timeline: number, options?: CommandOptions): Promise<TimelineHistory> {
    return parseTimelineHistory(await this.command(timelineHistoryCommand(timeline), options))
  }

  /** CREATE_REPLICATION_SLOT ... PHYSICAL. */
  async createReplicationSlot(name: string, options: CreateSlotOptions = {}): Promise<CreatedSlot> {
    try {
      return parseCreateReplicationSlot(await this.command(createPhysicalSlotCommand(name, options), options))
    } catch (error) {
      if (options.ifNotExists && error instanceof ServerError && error.sqlState === '42710') {
        return {
          slotName: name,
          consistentPoint: 0n as Lsn,
          snapshotName: null,
          outputPlugin: null,
          created: false,
        }
      }
      throw error
    }
  }

  /** DROP_REPLICATION_SLOT. While streaming, the stream is ended first: it may be what holds the slot. */
  async dropReplicationSlot(name: string, options: CommandOptions & { wait?: boolean } = {}): Promise<void> {
    const command = dropReplicationSlotCommand(name, options.wait)
    if (this.streaming) await this.stopReplication()
    await this.command(command, options)
  }

  /**
   * The next message.
   *
   * @returns null when none came within the timeout
   * @throws ReplicationEnded after the last message of a stream that ended well; else what broke it
   */
  async readReplicationMessage(options: ReadOptions = {}): Promise<ReplicationMessage<Payload> | null> {
    const { queue, stream } = this.#current()
    if (this.#reading) throw new UsageError('another read of this stream is under way')
    this.#reading = true
    try {
      const message = queue.take() as ReplicationMessage<Payload> | null
      if (message !== null) return message
      if (!(await queue.wait(options.timeoutMs ?? this.#statusIntervalMs, options.signal))) return null
      const next = queue.take() as ReplicationMessage<Payload> | null
      if (next !== null) return next
      const { outcome } = stream
      if (outcome === null) return null
      throw 'error' in outcome ? outcome.error : new ReplicationEnded(outcome.end)
    } finally {
      this.#reading = false
    }
  }

  /** The next message if one is complete; never waits. Null also at the end of the stream. */
  tryReadMessage(): ReplicationMessage<Payload> | null {
    return this.#current().queue.take() as ReplicationMessage<Payload> | null
  }

  /** Waits until a read would not wait: true for a message or the end, false at the timeout. */
  waitReadable(timeoutMs = this.#statusIntervalMs, signal?: AbortSignal): Promise<boolean> {
    return this.#current().queue.wait(timeoutMs, signal)
  }

  /**
   * Messages until the stream ends well (`endOfStream` then says how); rejects when it does not.
   * Leaving the loop early ends the stream; the connection can be used again.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ReplicationMessage<Payload>, EndOfStream | undefined> {
    try {
      for (;;) {
        const message = await this.readReplicationMessage()
        if (message !== null) yield message
      }
    } catch (error) {
      if (error instanceof ReplicationEnded) return error.end
      throw error
    } finally {
      if (this.streaming) await this.stopReplication()
    }
  }

  /** Hands the stream to a sink, without putting messages together. See WalSink. */
  async streamWal(sink: WalSink): Promise<EndOfStream> {
    const { queue, stream } = this.#current()
    if (this.#reading) throw new UsageError('another read of this stream is under way')
    this.#reading = true
    try {
      return await streamToSink(stream, queue, sink)
    } finally {
      this.#reading = false
    }
  }

  /**
   * Tells the server how far this side got. Positions only move forward; a position that is
   * not given stays. Without `force` or `replyRequested` it goes out with the next status.
   *
   * @throws UsageError for a position beyond what was received
   */
  sendFeedback(feedback: FeedbackOptions = {}): void {
    const lsn = (value: LsnLike | undefined) => (value === undefined ? undefined : parseLsn(value))
    this.#current().stream.sendFeedback({
      writeLsn: lsn(feedback.writeLsn),
      flushLsn: lsn(feedback.flushLsn),
      applyLsn: lsn(feedback.applyLsn),
      replyRequested: feedback.replyRequested,
      force: feedback.force,
    })
  }

  /** Stops reading from the socket; statuses go on. */
  pauseReading(): void {
    this.#current().stream.pauseReading()
  }

  resumeReading(): void {
    this.#current().stream.resumeReading()
  }

  /** Ends the stream, and the connection with it, for a reason of the caller's, which the reader meets. */
  abandonStream(reason: Error): void {
    this.#current().stream.fail(reason)
  }

  /** How the last stream ended, or null: still running, broken, or none yet. */
  get endOfStream(): EndOfStream | null {
    const outcome = this.stream?.outcome
    return outcome != null && 'end' in outcome ? outcome.end : null
  }

  /** End of what the present or last stream received. */
  get receivedLsn(): Lsn | null {
    return this.stream?.received ?? null
  }

  /** The furthest end of WAL the server has told of in this stream. */
  get serverEndLsn(): Lsn | null {
    return this.stream?.serverEnd ?? null
  }

  /** What was last reported to the server, or will be with the next status. */
  get feedbackPositions(): { readonly write: Lsn; readonly flush: Lsn; readonly apply: Lsn } | null {
    return this.stream?.positions ?? null
  }

  /** When a status last went out. */
  get feedbackTimestamp(): Date | null {
    return this.stream?.lastFeedback ?? null
  }

  /** Ends the stream and waits until the server agreed, or destroys the connection after the timeout. */
  async stopReplication(options: { drainTimeoutMs?: number } = {}): Promise<EndOfStream> {
    const { stream, queue } = this.#current()
    queue.release()
    return stream.stop(options.drainTimeoutMs ?? DEFAULT_DRAIN_TIMEOUT_MS)
  }

  /** Says goodbye and closes; a running stream is ended first. Never throws, never takes long. */
  override async close(): Promise<void> {
    if (this.streaming && !this.closed) await this.stopReplication()
    await super.close()
  }

  protected override refuseCommand(): void {
    super.refuseCommand()
    refuseWhileStreaming(this.streaming)
  }

  /** Starts the stream that was planned. */
  protected async openStream(
    plan: StreamPlan & { readonly timeline?: number },
    options: StreamOptions,
  ): Promise<StartResult> {
    return this.inTurn(async () => {
      if (plan.kind === 'logical' && this.stream?.stopped) {
        // The walsender keeps its marks of the last CopyDone and would end the new stream at once.
        throw new UsageError('a logical stream cannot be started where another one was stopped', {
          hint: 'the server can only do it on a new connection; commands go on working here',
        })
      }
      const opened = await openStream(this.session.wire, plan, options, this.onNotice)
      if (opened.kind === 'ended') return opened
      this.#statusIntervalMs = plan.statusIntervalMs > 0 ? plan.statusIntervalMs : DEFAULT_STATUS_INTERVAL_MS
      this.stream = opened.stream
      this.queue = opened.queue
      return { kind: 'streaming', startLsn: plan.startLsn, timeline: plan.timeline ?? null }
    })
  }

  /** The server's wal_sender_timeout in milliseconds; 0 when off or not understood. */
  protected async senderTimeoutMs(options?: CommandOptions): Promise<number> {
    return parseDurationMs(await this.show('wal_sender_timeout', options)) ?? 0
  }

  #current(): { stream: ReplicationStream; queue: MessageQueue } {
    if (this.stream === null || this.queue === null)
      throw new UsageError('not replicating: call startReplication first')
    return { stream: this.stream, queue: this.queue }
  }
}
