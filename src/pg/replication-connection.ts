import { type Lsn, type LsnLike, parseLsn } from '../wal/index.js'
import { PgError, ServerError, type ServerFields, UsageError } from './errors.js'
import { terminateFrame } from './frontend.js'
import type { MessageQueue } from './message-queue.js'
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
import type { Session } from './session.js'
import { type RawResult, refuseWhileStreaming, simpleQuery, singleRow } from './simple-query.js'
import type { EndOfStream } from './stream-contract.js'
import { streamToSink, type WalSink } from './wal-sink.js'

export interface CommandOptions {
  /** Aborting destroys the connection: the server would go on with the command. */
  readonly signal?: AbortSignal
}

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

/**
 * A session in a walsender: commands, then at most one stream at a time.
 *
 * Failures reject the call that meets them; there is no 'error' event to forget. After a
 * stream has ended cleanly (also at the end of a timeline) the connection takes commands again.
 */
export abstract class ReplicationConnection implements AsyncDisposable {
  protected readonly session: Session
  protected readonly onNotice: ((notice: ServerFields) => void) | undefined
  protected stream: ReplicationStream | null = null
  protected queue: MessageQueue | null = null
  protected statusIntervalMs = DEFAULT_STATUS_INTERVAL_MS
  #reading = false
  #closed = false

  protected constructor(session: Session, onNotice?: (notice: ServerFields) => void) {
    this.session = session
    this.onNotice = onNotice
  }

  /** Settings the server reported, e.g. `server_version`. */
  get parameters(): ReadonlyMap<string, string> {
    return this.session.parameters
  }

  /** As PQserverVersion has it: 180004 for 18.4. */
  get serverVersion(): number {
    return this.session.serverVersion
  }

  get backendPid(): number {
    return this.session.backendPid
  }

  get closed(): boolean {
    return this.#closed || this.session.wire.failure !== null
  }

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
  async readReplicationMessage(options: ReadOptions = {}): Promise<ReplicationMessage | null> {
    const { queue, stream } = this.#current()
    if (this.#reading) throw new UsageError('another read of this stream is under way')
    this.#reading = true
    try {
      const message = queue.take()
      if (message !== null) return message
      if (!(await queue.wait(options.timeoutMs ?? this.statusIntervalMs, options.signal))) return null
      const next = queue.take()
      if (next !== null) return next
      const { outcome } = stream
      if (outcome === null) return null
      throw 'error' in outcome ? outcome.error : new ReplicationEnded(outcome.end)
    } finally {
      this.#reading = false
    }
  }

  /** The next message if one is complete; never waits. Null also at the end of the stream. */
  tryReadMessage(): ReplicationMessage | null {
    return this.#current().queue.take()
  }

  /** Waits until a read would not wait: true for a message or the end, false at the timeout. */
  waitReadable(timeoutMs = this.statusIntervalMs, signal?: AbortSignal): Promise<boolean> {
    return this.#current().queue.wait(timeoutMs, signal)
  }

  /**
   * Messages until the stream ends well (`endOfStream` then says how); rejects when it does not.
   * Leaving the loop early ends the stream; the connection can be used again.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ReplicationMessage, EndOfStream | undefined> {
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
  async close(): Promise<void> {
    if (this.#closed) return
    if (this.streaming) await this.stopReplication()
    this.#closed = true
    const { wire, transport } = this.session
    if (wire.failure === null) {
      wire.send(terminateFrame())
      transport.end()
    }
    await transport.waitClosed(2_000)
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.#closed = true
    this.session.transport.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Runs one command of the walsender's grammar. */
  protected async command(sql: string, options: CommandOptions = {}): Promise<RawResult[]> {
    refuseWhileStreaming(this.streaming)
    if (this.#closed) throw new PgError('the connection is closed', { code: 'PG_CLOSED' })
    return simpleQuery(this.session.wire, sql, {
      signal: options.signal,
      onNotice: this.onNotice,
      onParameter: (name, value) => this.session.parameters.set(name, value),
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
