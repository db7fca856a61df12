import { type Lsn, type LsnLike, parseLsn } from '../wal/index.js'
import type { RunCommand } from './cursor.js'
import { UsageError } from './errors.js'
import { expertPlan, type StartExpertOptions } from './expert-plan.js'
import type { MessageQueue } from './message-queue.js'
import { openStream, type StreamOptions, type StreamPlan, statusIntervalMs } from './open-stream.js'
import type { MessageCursor, ReplicationMessage } from './replication-message.js'
import type { ReplicationStream } from './replication-stream.js'
import { refuseWhileStreaming } from './simple-query.js'
import { type DropSlotOptions, dropSlot } from './slots.js'
import type { EndOfStream, FeedbackOptions, StreamOutcome } from './stream-contract.js'
import { streamToSink, type WalSink } from './wal-sink.js'
import { WalsenderConnection } from './walsender-connection.js'

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

export interface ConsumeOptions {
  /** Seconds between statuses from here on, at least 1. */
  readonly keepaliveInterval?: number
  readonly signal?: AbortSignal
}

/** The way from a cursor into its connection. */
export interface CursorDoor {
  readonly command: RunCommand
  openStream(plan: StreamPlan, options: StreamOptions, cursor: MessageCursor): Promise<StartResult>
}

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
> extends WalsenderConnection {
  protected stream: ReplicationStream | null = null
  protected queue: MessageQueue | null = null
  #statusIntervalMs = DEFAULT_STATUS_INTERVAL_MS
  #reading = false
  #consuming = false

  get streaming(): boolean {
    return this.stream !== null && this.stream.outcome === null
  }

  /**
   * DROP_REPLICATION_SLOT. While streaming, the stream is ended first: it may be what holds the slot.
   *
   * @throws ServerError when the slot is in use (55006) or missing (42704)
   */
  async dropReplicationSlot(name: string, options: DropSlotOptions = {}): Promise<void> {
    if (this.streaming) await this.stopReplication()
    await dropSlot((sql, rest) => this.command(sql, rest), this, name, options)
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
      if (stream.outcome === null) return null
      throw endOf(stream.outcome)
    } finally {
      this.#reading = false
    }
  }

  /**
   * The next message if one is complete; never waits.
   *
   * @throws what readReplicationMessage throws at the end: else a loop around `waitReadable` would spin
   */
  tryReadMessage(): ReplicationMessage<Payload> | null {
    const { queue, stream } = this.#current()
    const message = queue.take() as ReplicationMessage<Payload> | null
    if (message === null && stream.outcome !== null) throw endOf(stream.outcome)
    return message
  }

  /** Waits until a read would not wait: true for a message or the end, false at the timeout. */
  waitReadable(timeoutMs = this.#statusIntervalMs, signal?: AbortSignal): Promise<boolean> {
    return this.#current().queue.wait(timeoutMs, signal)
  }

  /** Messages until the stream ends: `messages()` without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<ReplicationMessage<Payload>, EndOfStream> {
    return this.messages()
  }

  /**
   * Messages until the stream ends well (`endOfStream` then says how); rejects when it does not, and with
   * the signal's reason on abort. Leaving the loop, in whatever way, ends the stream; the connection takes
   * commands again.
   */
  async *messages(
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<ReplicationMessage<Payload>, EndOfStream> {
    try {
      for (;;) {
        options.signal?.throwIfAborted()
        const message = await this.readReplicationMessage(options)
        if (message !== null) yield message
      }
    } catch (error) {
      if (error instanceof ReplicationEnded) return error.end
      throw error
    } finally {
      if (this.streaming) await this.stopReplication()
    }
  }

  /**
   * Calls `consume` for each message, and waits for it before the next, until the stream ends. Statuses go
   * out meanwhile, however long it takes.
   *
   * What `consume` throws comes out of here as it is, a `StopReplication` too, and the stream goes on: it
   * can be consumed further, or stopped.
   *
   * @returns how the stream ended
   * @throws the signal's reason on abort; the stream is stopped then
   */
  async consumeStream(
    consume: (message: ReplicationMessage<Payload>) => void | Promise<void>,
    options: ConsumeOptions = {},
  ): Promise<EndOfStream> {
    const { stream } = this.#current()
    if (this.#consuming) throw new UsageError('consumeStream cannot be used inside of itself')
    if (options.keepaliveInterval !== undefined)
      stream.setStatusInterval(statusIntervalMs(options.keepaliveInterval, 1))
    const { signal } = options
    this.#consuming = true
    try {
      for (;;) {
        signal?.throwIfAborted()
        const message = await this.readReplicationMessage({ signal })
        if (message !== null) await consume(message)
      }
    } catch (error) {
      if (error instanceof ReplicationEnded) return error.end
      if (signal?.aborted && this.streaming) await this.stopReplication()
      throw error
    } finally {
      this.#consuming = false
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
      applyLsn: lsn(feedback.applyLsn ?? feedback.appliedLsn),
      replyRequested: feedback.replyRequested ?? feedback.reply,
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

  /** The furthest flush position that was given in this stream: what need not come again. 0 = none. */
  get acknowledgedLsn(): Lsn | null {
    return this.stream?.acknowledged ?? null
  }

  /** When a status last went out. */
  get feedbackTimestamp(): Date | null {
    return this.stream?.lastFeedback ?? null
  }

  /** When anything last came from the server or went to it in this stream, or null. */
  get ioTimestamp(): Date | null {
    return this.stream?.lastExchange ?? null
  }

  /** The socket's file descriptor, for tools that want one; -1 where Node.js hides it. */
  fileno(): number {
    return this.session.transport.fileDescriptor
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

  /**
   * Starts a stream with a command of the caller's own, for options that are not known here.
   *
   * @param command a whole START_REPLICATION, which nobody checks
   */
  async startReplicationExpert(command: string, options: StartExpertOptions = {}): Promise<StartResult> {
    this.refuseCommand()
    return this.openStream(await expertPlan(this, command, options), options)
  }

  /** What cursors of this connection go through. */
  protected cursorDoor(): CursorDoor {
    return {
      command: (sql, options) => this.command(sql, options),
      openStream: (plan, options, cursor) => {
        this.refuseCommand()
        return this.openStream(plan, options, cursor)
      },
    }
  }

  /** Starts the stream that was planned. */
  protected async openStream(
    plan: StreamPlan,
    options: StreamOptions,
    cursor: MessageCursor | null = null,
  ): Promise<StartResult> {
    return this.inTurn(async () => {
      if (plan.kind === 'logical' && this.stream?.stopped) {
        // The walsender keeps its marks of the last CopyDone and would end the new stream at once.
        throw new UsageError('a logical stream cannot be started where another one was stopped', {
          hint: 'the server can only do it on a new connection; commands go on working here',
        })
      }
      const opened = await openStream(this.session.wire, plan, options, cursor, this.onNotice)
      if (opened.kind === 'ended') return opened
      this.#statusIntervalMs = plan.statusIntervalMs > 0 ? plan.statusIntervalMs : DEFAULT_STATUS_INTERVAL_MS
      this.stream = opened.stream
      this.queue = opened.queue
      return { kind: 'streaming', startLsn: plan.startLsn, timeline: plan.timeline ?? null }
    })
  }

  #current(): { stream: ReplicationStream; queue: MessageQueue } {
    if (this.stream === null || this.queue === null)
      throw new UsageError('not replicating: call startReplication first')
    return { stream: this.stream, queue: this.queue }
  }
}

function endOf(outcome: StreamOutcome): Error {
  return 'error' in outcome ? outcome.error : new ReplicationEnded(outcome.end)
}
