import type { FileSystem } from '../base/index.js'
import type { CompressionSpec } from '../codec/index.js'
import { type EndOfStream, type PhysicalReplicationConnection, ServerError } from '../pg/index.js'
import { WalWriter } from '../segments/index.js'
import { formatLsn, type Lsn, segmentFloor } from '../wal/index.js'
import { type AckPolicy, ackVerified } from './ack-policy.js'
import type { ArchiveDoor } from './archive-door.js'
import { commandFailed, ReceiveError, streamFailed } from './errors.js'
import type { ReceiveEvent, StopCause } from './events.js'
import type { ServerFacts } from './server-facts.js'
import { ServerQuestions } from './server-questions.js'
import type { StartPoint } from './stream-position.js'
import type { StreamCheck, WalCheck } from './wal-check.js'
import { WalPump } from './wal-pump.js'
import { type SpaceLimits, watchSpace } from './watch-space.js'

export interface StreamTimelineOptions {
  readonly directory: string
  readonly slotName: string | undefined
  readonly synchronous: boolean
  readonly durable: boolean
  readonly statusIntervalMs: number
  readonly pingTimeoutMs: number | undefined
  readonly endLsn: Lsn | undefined
  readonly compression: CompressionSpec
  readonly ackPolicy: AckPolicy
  readonly reportsFlush: boolean
  readonly archive: ArchiveDoor | undefined
  readonly space: SpaceLimits | undefined
  readonly files: FileSystem | undefined
  /** Looks at all WAL before it is written; undefined: nobody does. */
  readonly walCheck: WalCheck | undefined
  /** Aborting stops cleanly. */
  readonly signal: AbortSignal
  onEvent(event: ReceiveEvent): void
  onWritten: (() => void) | undefined
  /** Tells who is at work, for progress; null once it is over. */
  onActive(active: ActiveStream | null): void
  /** The server has agreed to the start. */
  readonly onStarted: (() => void) | undefined
}

/** The parts of a running stream that know how far it is. */
export interface ActiveStream {
  readonly start: StartPoint
  readonly connection: PhysicalReplicationConnection
  readonly pump: WalPump
  readonly writer: WalWriter
  /** Undefined: nobody looks at the WAL. */
  readonly check: StreamCheck | undefined
  /** Sends a status now if there is news. */
  report(): void
}

/** What to do after a timeline's stream. */
export type TimelineOutcome =
  | { readonly kind: 'stopped'; readonly cause: StopCause }
  | { readonly kind: 'next-timeline'; readonly start: StartPoint }

/**
 * Streams one timeline into the directory until it ends, the end position is passed or a stop
 * is asked for. Whatever happens, the open segment is left as a durable partial.
 *
 * On a stop the last thing the server hears is how far the files really reach: fsync, then
 * feedback, then CopyDone.
 *
 * @throws ReceiveError, or the segment writer's error, when the stream broke
 */
export async function streamTimeline(
  connection: PhysicalReplicationConnection,
  facts: ServerFacts,
  start: StartPoint,
  options: StreamTimelineOptions,
): Promise<TimelineOutcome> {
  const { onEvent, walCheck } = options
  const check = await walCheck?.openStream(facts, start, connection.serverVersion)
  const capped = check !== undefined && walCheck?.mode === 'stop'
  const ackPolicy = capped ? ackVerified(options.ackPolicy, () => check.verified) : options.ackPolicy
  const marks = () => ({ timeline: start.timeline, written: writer.written, flushed: writer.flushed })
  const record = () => {
    if (connection.streaming) connection.sendFeedback(ackPolicy(marks()))
  }
  const report = () => {
    if (!connection.streaming) return
    const flushedBefore = connection.feedbackPositions?.flush
    record()
    if (connection.feedbackPositions?.flush !== flushedBefore) connection.sendFeedback({ force: true })
  }
  const writer = await WalWriter.open({
    directory: options.directory,
    segmentSize: facts.segmentSize,
    timeline: start.timeline,
    start: start.lsn,
    compression: options.compression,
    fileMode: facts.fileMode,
    durable: options.durable,
    synchronous: options.synchronous,
    files: options.files,
    onFinished: (name, lsn) => {
      onEvent({ kind: 'segment-finished', name, lsn, timeline: start.timeline })
      record()
    },
  })
  const questions = new ServerQuestions({
    flush: async () => options.archive?.flush(),
    isAllConfirmed: () => ackPolicy(marks()).flushLsn >= writer.written,
  })
  const pump = new WalPump(writer, start.lsn, {
    segmentSize: facts.segmentSize,
    synchronous: options.synchronous,
    reportsFlush: options.reportsFlush,
    endLsn: options.endLsn,
    // Where not all that was written is confirmed at once, a shutdown could hang on the answer.
    beforeAnswer: options.archive !== undefined || capped ? () => questions.answer() : undefined,
    inspect: check && ((lsn, bytes) => check.take(lsn, bytes)),
    // With --synchronous a commit on the server waits for this.
    onBatch: () => {
      if (options.synchronous) report()
      else record()
      options.onWritten?.()
    },
  })
  options.onActive({ start, connection, pump, writer, check, report })
  let space: { close(): void } | undefined
  // Not before: only a stream can be paused.
  const onStarted = () => {
    space = options.space && watchSpace(connection, options.directory, options.space, onEvent)
  }
  try {
    const end = await runStream(connection, start, pump, options, onStarted)
    return await leave(end)
  } catch (error) {
    // The server's own words end a stream in an orderly way; a dead line does not.
    const orderly = error instanceof ReceiveError && error.cause instanceof ServerError
    await closeWriter(orderly, true)
    throw error
  } finally {
    space?.close()
    options.onActive(null)
  }

  async function leave(end: EndOfStream | StopCause): Promise<TimelineOutcome> {
    await pump.drain()
    // The end position may be in the very batch that failed.
    if (pump.failure !== undefined) throw pump.failure
    if (typeof end === 'string') {
      const stop = { cause: end, lsn: pump.received, timeline: start.timeline }
      onEvent({ kind: 'stopping', ...stop })
      // While the segment is open, so that its last bytes are still seen.
      await options.archive?.flush()
      await closeWriter(true, false)
      if (connection.streaming) connection.sendFeedback({ ...ackPolicy(marks()), force: true })
      await connection.stopReplication()
      onEvent({ kind: 'stopped', ...stop })
      return { kind: 'stopped', cause: end }
    }
    await closeWriter(true, false)
    if (end.reason === 'timeline') return followTimeline(end)
    throw new ReceiveError('replication stream was terminated before stop point', {
      code: 'RECEIVE_SERVER_SHUTDOWN',
      retryable: true,
      hint: 'the server was shut down; all it had is on disk',
    })
  }

  async function closeWriter(tell: boolean, failing: boolean): Promise<void> {
    try {
      const { partial } = await writer.close()
      if (tell && partial !== null) onEvent({ kind: 'segment-left-partial', name: partial })
    } catch (error) {
      // The first failure is the one to tell; this is most often its echo.
      if (!failing) throw error
    }
  }

  function followTimeline(end: Extract<EndOfStream, { reason: 'timeline' }>): TimelineOutcome {
    const { nextTimeline, nextTimelineStart } = end
    if (nextTimeline <= start.timeline) {
      throw new ReceiveError(
        `server reported unexpected next timeline ${nextTimeline}, following timeline ${start.timeline}`,
        { code: 'RECEIVE_NEXT_TIMELINE', retryable: true },
      )
    }
    if (nextTimelineStart > pump.received) {
      throw new ReceiveError(
        `server stopped streaming timeline ${start.timeline} at ${formatLsn(pump.received)}, but reported next timeline ${nextTimeline} to begin at ${formatLsn(nextTimelineStart)}`,
        { code: 'RECEIVE_NEXT_TIMELINE', retryable: true },
      )
    }
    onEvent({
      kind: 'timeline-switched',
      timeline: nextTimeline,
      lsn: pump.received,
      left: { timeline: start.timeline, switchLsn: nextTimelineStart },
    })
    return {
      kind: 'next-timeline',
      start: {
        lsn: segmentFloor(nextTimelineStart, facts.segmentSize),
        timeline: nextTimeline,
        origin: 'next-timeline',
      },
    }
  }
}

/** Runs the stream until it ends by itself, or until there is a reason of ours to stop. */
async function runStream(
  connection: PhysicalReplicationConnection,
  start: StartPoint,
  pump: WalPump,
  options: StreamTimelineOptions,
  onStarted: () => void,
): Promise<EndOfStream | StopCause> {
  const { signal, ackPolicy } = options
  const { writeLsn, flushLsn } = ackPolicy({
    timeline: start.timeline,
    written: start.lsn,
    flushed: start.lsn,
  })
  const started = await connection
    .startReplication({
      slotName: options.slotName,
      startLsn: start.lsn,
      timeline: start.timeline,
      statusInterval: options.statusIntervalMs / 1000,
      // With an archive the slot may be a new one, further on, and the server without the WAL between. A position told
      // before that shows would move the slot back there, and the next look would find no gap.
      initialFeedback: options.archive === undefined ? { writeLsn, flushLsn } : undefined,
      pingTimeoutMs: options.pingTimeoutMs,
      // A slow disk must not cut the stream: the pump holds little, and feedback goes on meanwhile.
      stallTimeoutMs: 0,
    })
    .catch((error) => {
      throw commandFailed('START_REPLICATION', error)
    })
  options.onStarted?.()
  if (started.kind === 'ended') return started.end
  onStarted()
  let onAbort = () => {}
  const interrupted = new Promise<'interrupt'>((resolve) => {
    onAbort = () => resolve('interrupt')
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  const streamed = connection.streamWal(pump).catch((error) => {
    throw streamFailed(error)
  })
  // When we stop first, the stream ends later and nobody waits for it any more.
  streamed.catch(() => {})
  try {
    const end = await Promise.race([streamed, pump.reachedEnd.then(() => 'endpos' as const), interrupted])
    pump.freeze()
    return end
  } finally {
    // The signal outlives the stream: each reconnect would leave one more listener on it.
    signal.removeEventListener('abort', onAbort)
  }
}
