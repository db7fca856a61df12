import { INVALID_LSN, type Lsn, type LsnLike, parseLsn, segmentFloor } from '../wal/index.js'
import type { ConnectOptions } from './connect-options.js'
import { ProtocolError, UsageError } from './errors.js'
import { queryFrame } from './frontend.js'
import { MessageQueue } from './message-queue.js'
import { openSession } from './open-session.js'
import { parseNextTimeline, parseSegmentSize, startPhysicalCommand } from './replication-commands.js'
import { type CommandOptions, type FeedbackOptions, ReplicationConnection } from './replication-connection.js'
import { ReplicationStream } from './replication-stream.js'
import { readResults, refuseWhileStreaming } from './simple-query.js'
import type { EndOfStream } from './stream-contract.js'

export interface StartPhysicalOptions extends CommandOptions {
  readonly slotName?: string
  /** Absent or 0: the slot's restart position, else the server's, rounded down to a segment start. */
  readonly startLsn?: LsnLike
  readonly timeline?: number
  /** Seconds between statuses. Default 10; 0 sends none on our own account. At most a third of wal_sender_timeout. */
  readonly statusInterval?: number
  /** Positions to report from the first status on. */
  readonly initialFeedback?: Pick<FeedbackOptions, 'writeLsn' | 'flushLsn'>
  /** Bytes queued for the reader above which nothing is read from the socket. Default 1 MiB. */
  readonly highWaterMark?: number
  /** Milliseconds after which a reader that takes nothing is cut off. Default 60 000; 0 = never. */
  readonly stallTimeoutMs?: number
  /** Milliseconds of silence before asking the server for a sign of life. Default: twice wal_sender_timeout, at least 60 000. */
  readonly pingTimeoutMs?: number
  readonly onWarning?: (text: string) => void
}

export type StartResult =
  | { readonly kind: 'streaming'; readonly startLsn: Lsn; readonly timeline: number | null }
  /** The timeline ends exactly where the stream was to begin: there is nothing to stream. */
  | { readonly kind: 'ended'; readonly end: EndOfStream }

/** A CopyData of WAL: 128 kB at the usual block size, 1 MiB at the largest, and the header. */
const MAX_PHYSICAL_COPY_DATA = 1024 * 1024 + 64

/**
 * A connection for physical replication: WAL as it is on the server's disk.
 * PostgreSQL chapter 54.4, "Streaming Replication Protocol".
 */
export class PhysicalReplicationConnection extends ReplicationConnection {
  /**
   * Connects, authenticates, and waits until the server takes commands.
   *
   * @throws ConnectionFailedError with libpq's text when no host would have us
   */
  static async connect(options: ConnectOptions): Promise<PhysicalReplicationConnection> {
    return new PhysicalReplicationConnection(await openSession(options, 'true'), options.onNotice)
  }

  /** The cluster's WAL segment size in bytes; null when the server's answer is not understood. */
  async segmentSize(options?: CommandOptions): Promise<number | null> {
    return parseSegmentSize(await this.show('wal_segment_size', options))
  }

  /** The password that was used, so that a reconnect need not ask again. */
  get passwordUsed(): string | undefined {
    return this.session.passwordUsed
  }

  /**
   * START_REPLICATION. Errors the server finds only after it has agreed (WAL that is gone, a
   * start ahead of its own) come with the first read.
   *
   * @throws ServerError when it refuses: slot missing (42704) or in use (55006), timeline unknown, ...
   */
  async startReplication(options: StartPhysicalOptions = {}): Promise<StartResult> {
    refuseWhileStreaming(this.streaming)
    const { signal, slotName } = options
    const statusIntervalMs = (options.statusInterval ?? 10) * 1000
    if (!(statusIntervalMs >= 0 && statusIntervalMs <= 2_147_483_000)) {
      throw new UsageError(`status interval ${options.statusInterval} is out of range 0..2147483 seconds`)
    }
    const senderTimeoutMs = await this.senderTimeoutMs({ signal })
    const { startLsn, timeline } = await this.#resolveStart(options)
    const queue = new MessageQueue({
      highWaterMark: options.highWaterMark ?? 1024 * 1024,
      stallTimeoutMs: options.stallTimeoutMs ?? 60_000,
    })
    const stream = new ReplicationStream(
      this.session.wire,
      {
        kind: 'physical',
        startLsn,
        statusIntervalMs:
          senderTimeoutMs > 0 ? Math.min(statusIntervalMs, senderTimeoutMs / 3) : statusIntervalMs,
        senderTimeoutMs,
        pingTimeoutMs: options.pingTimeoutMs ?? Math.max(60_000, 2 * senderTimeoutMs),
        onWarning: options.onWarning,
        onNotice: this.onNotice,
      },
      queue,
    )
    queue.attach(stream)
    const initial = options.initialFeedback
    if (initial !== undefined) {
      stream.sendFeedback({
        writeLsn: initial.writeLsn === undefined ? undefined : parseLsn(initial.writeLsn),
        flushLsn: initial.flushLsn === undefined ? undefined : parseLsn(initial.flushLsn),
      })
    }
    const frame = queryFrame(startPhysicalCommand({ slotName, startLsn, timeline }))
    this.session.wire.expectStream(stream, MAX_PHYSICAL_COPY_DATA)
    this.session.wire.send(frame)
    const answer = await readResults(this.session.wire, { signal, onNotice: this.onNotice }).catch(
      (error) => {
        this.session.wire.endStream()
        if (signal?.aborted) this.destroy()
        throw error
      },
    )
    if (answer.kind === 'results') {
      this.session.wire.endStream()
      const row = answer.results.find((result) => result.rows.length > 0)?.rows[0]
      if (row === undefined)
        throw new ProtocolError('server neither started a stream nor named a next timeline')
      return { kind: 'ended', end: { reason: 'timeline', ...parseNextTimeline(row) } }
    }
    this.statusIntervalMs = statusIntervalMs > 0 ? statusIntervalMs : 10_000
    this.stream = stream
    this.queue = queue
    stream.begin()
    if (statusIntervalMs > 0) stream.sendFeedback({ force: true })
    return { kind: 'streaming', startLsn, timeline: timeline ?? null }
  }

  async #resolveStart(
    options: StartPhysicalOptions,
  ): Promise<{ startLsn: Lsn; timeline: number | undefined }> {
    const { signal, slotName } = options
    const asked = options.startLsn === undefined ? INVALID_LSN : parseLsn(options.startLsn)
    if (asked !== INVALID_LSN) return { startLsn: asked, timeline: options.timeline }
    const segmentSize = await this.segmentSize({ signal })
    if (segmentSize === null) throw new ProtocolError('server sent an invalid wal_segment_size')
    if (slotName && this.serverVersion >= 150000) {
      const slot = await this.readReplicationSlot(slotName, { signal })
      if (slot?.restartLsn != null) {
        return {
          startLsn: segmentFloor(slot.restartLsn, segmentSize),
          timeline: options.timeline ?? slot.restartTli ?? undefined,
        }
      }
    }
    const system = await this.identifySystem({ signal })
    return {
      startLsn: segmentFloor(system.xlogPos, segmentSize),
      timeline: options.timeline ?? system.timeline,
    }
  }
}
