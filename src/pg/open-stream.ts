import { INVALID_LSN, type Lsn, type LsnLike, parseLsn } from '../wal/index.js'
import type { CommandOptions } from './command-options.js'
import { ProtocolError, type ServerFields, UsageError } from './errors.js'
import { queryFrame } from './frontend.js'
import { MessageQueue } from './message-queue.js'
import { parseDurationMs, parseNextTimeline } from './replication-commands.js'
import { type MessageCursor, type MessageText, PLAIN_BYTES } from './replication-message.js'
import { ReplicationStream } from './replication-stream.js'
import { readResults } from './simple-query.js'
import type { EndOfStream } from './stream-contract.js'
import type { Wire } from './wire.js'

/** What can be said about any stream when it is started. */
export interface StreamOptions extends CommandOptions {
  /** Seconds between statuses. Default 10. At most a third of the server's wal_sender_timeout is used. */
  readonly statusInterval?: number
  /** Bytes queued for the reader above which nothing is read from the socket. Default 1 MiB. */
  readonly highWaterMark?: number
  /**
   * Milliseconds after which a reader that takes nothing from a full queue is cut off; 0 = never.
   * Default 60 000 for physical streams, 600 000 for logical ones.
   */
  readonly stallTimeoutMs?: number
  /** Milliseconds of silence before asking the server for a sign of life. Default: twice wal_sender_timeout, at least 60 000. */
  readonly pingTimeoutMs?: number
  /**
   * Logical streams: while everything is acknowledged, the flush position follows the server's keepalives,
   * so that a quiet table does not hold back the WAL of the whole cluster. Default true.
   */
  readonly advanceOnKeepalive?: boolean
  readonly onWarning?: (text: string) => void
}

/** The stream to open. */
export interface StreamPlan {
  readonly kind: 'physical' | 'logical'
  readonly command: string
  /** 0 when it is the server that decides. */
  readonly startLsn: Lsn
  /** Of a physical stream; absent = the server's current one. */
  readonly timeline?: number
  /** In milliseconds; 0 sends none on our own account. */
  readonly statusIntervalMs: number
  /** The server's wal_sender_timeout in milliseconds; 0 when off. */
  readonly senderTimeoutMs: number
  readonly initialFeedback?: { readonly writeLsn?: LsnLike; readonly flushLsn?: LsnLike }
  /** How the payload is read as text, and whether `payload` is that text. */
  readonly text?: MessageText
}

export type OpenedStream =
  | { readonly kind: 'streaming'; readonly stream: ReplicationStream; readonly queue: MessageQueue }
  | { readonly kind: 'ended'; readonly end: EndOfStream }

/** A CopyData of WAL: 128 kB at the usual block size, 1 MiB at the largest, and the header. */
const MAX_PHYSICAL_COPY_DATA = 1024 * 1024 + 64
/** The largest value that PostgreSQL can build, and the header. */
const MAX_LOGICAL_COPY_DATA = 1024 * 1024 * 1024 + 64

/**
 * Sends a START_REPLICATION and waits for the server's agreement.
 *
 * @throws ServerError when it refuses; the signal's reason on abort, and the connection is destroyed then
 */
export async function openStream(
  wire: Wire,
  plan: StreamPlan,
  options: StreamOptions,
  cursor: MessageCursor | null,
  onNotice?: (notice: ServerFields) => void,
): Promise<OpenedStream> {
  const { kind, senderTimeoutMs, statusIntervalMs } = plan
  const queue: MessageQueue = new MessageQueue({
    highWaterMark: options.highWaterMark ?? 1024 * 1024,
    stallTimeoutMs: options.stallTimeoutMs ?? (kind === 'physical' ? 60_000 : 600_000),
    source: {
      text: plan.text ?? PLAIN_BYTES,
      cursor,
      acknowledge: (message) =>
        stream.sendFeedback({ flushLsn: kind === 'physical' ? message.dataEnd : message.dataStart }),
    },
  })
  const stream: ReplicationStream = new ReplicationStream(
    wire,
    {
      kind,
      startLsn: plan.startLsn,
      statusIntervalMs:
        senderTimeoutMs > 0 ? Math.min(statusIntervalMs, senderTimeoutMs / 3) : statusIntervalMs,
      senderTimeoutMs,
      pingTimeoutMs: options.pingTimeoutMs ?? Math.max(60_000, 2 * senderTimeoutMs),
      advanceOnKeepalive: options.advanceOnKeepalive ?? true,
      onWarning: options.onWarning,
      onNotice,
    },
    queue,
  )
  queue.attach(stream)
  const initial = plan.initialFeedback
  if (initial !== undefined) {
    stream.sendFeedback({
      writeLsn: initial.writeLsn === undefined ? undefined : parseLsn(initial.writeLsn),
      flushLsn: initial.flushLsn === undefined ? undefined : parseLsn(initial.flushLsn),
    })
  }
  const frame = queryFrame(plan.command)
  if (wire.failure !== null) throw wire.failure
  options.signal?.throwIfAborted()
  wire.expectStream(stream, kind === 'physical' ? MAX_PHYSICAL_COPY_DATA : MAX_LOGICAL_COPY_DATA)
  wire.send(frame)
  const answer = await readResults(wire, { signal: options.signal, onNotice }).catch((error) => {
    wire.endStream()
    // An answer that is not understood is not read to its end: what follows would be taken for the next one.
    if (options.signal?.aborted || error instanceof ProtocolError) wire.transport.destroy()
    throw error
  })
  if (answer.kind === 'results') {
    wire.endStream()
    const row = answer.results.find((result) => result.rows.length > 0)?.rows[0]
    if (row === undefined)
      throw new ProtocolError('server neither started a stream nor named a next timeline')
    return { kind: 'ended', end: { reason: 'timeline', ...parseNextTimeline(row) } }
  }
  stream.begin()
  if (statusIntervalMs > 0) stream.sendFeedback({ force: true })
  return { kind: 'streaming', stream, queue }
}

/** @throws UsageError for seconds that are no interval */
export function statusIntervalMs(seconds: number | undefined, least: 0 | 1): number {
  const intervalMs = (seconds ?? 10) * 1000
  if (!(intervalMs >= least * 1000 && intervalMs <= 2_147_483_000)) {
    throw new UsageError(`status interval ${seconds} is out of range ${least}..2147483 seconds`)
  }
  return intervalMs
}

/** Where a caller wants to start; 0 = it is not said. */
export function startPosition(lsn: LsnLike | undefined): Lsn {
  return lsn === undefined ? INVALID_LSN : parseLsn(lsn)
}

/** The server's wal_sender_timeout in milliseconds; 0 when off or not understood. */
export async function senderTimeoutMs(
  connection: { show(name: string, options?: CommandOptions): Promise<string> },
  signal?: AbortSignal,
): Promise<number> {
  return parseDurationMs(await connection.show('wal_sender_timeout', { signal })) ?? 0
}
