import type { Lsn } from '../wal/index.js'
import type { MessageQueue } from './message-queue.js'
import type { ReplicationStream } from './replication-stream.js'
import type { EndOfStream, StreamConsumer } from './stream-contract.js'

/**
 * The archiver's door to a stream: WAL as it comes from the socket, never put together or
 * queued. A view is valid until `onWal` returns or the promise it returned settles; reading
 * goes on meanwhile, up to a bounded amount of memory. A rejection ends the stream.
 */
export interface WalSink {
  onWal(lsn: Lsn, view: Buffer): void | Promise<void>
  /** When an answer is asked for, it goes out after the promise has settled. */
  onKeepalive?(walEnd: Lsn, replyRequested: boolean): void | Promise<void>
  /** All that one read of the socket brought has been handed over: a good moment to start writing. */
  onReadEnd?(): void
}

/**
 * Connects a sink to a stream; what a message queue had gathered goes first.
 *
 * @returns how the stream ended, after the last promise of the sink has settled
 * @throws what ended the stream otherwise, the sink's own errors included
 */
export async function streamToSink(
  stream: ReplicationStream,
  queue: MessageQueue,
  sink: WalSink,
): Promise<EndOfStream> {
  const underWay = new Set<Promise<void>>()
  const track = (settled: Promise<void>, release: () => void) => {
    const tracked = settled.then(release, (error) => {
      release()
      stream.fail(error instanceof Error ? error : new Error(String(error)))
    })
    underWay.add(tracked)
    tracked.then(() => underWay.delete(tracked))
  }
  const consumer: StreamConsumer = {
    onXLogData() {},
    onXLogDataEnd() {},
    onSpan(lsn, span) {
      const settled = sink.onWal(lsn, span)
      if (settled === undefined) return
      const hold = stream.hold()
      track(settled, () => hold.release())
    },
    onKeepalive: (walEnd, replyRequested) => sink.onKeepalive?.(walEnd, replyRequested),
    onReadEnd: () => sink.onReadEnd?.(),
  }
  for (let message = queue.take(); message !== null; message = queue.take()) {
    const settled = sink.onWal(message.dataStart, message.bytes)
    if (settled !== undefined) track(settled, () => {})
  }
  const { unfinished } = queue
  if (unfinished !== null && unfinished.bytes.length > 0) {
    const settled = sink.onWal(unfinished.dataStart, unfinished.bytes)
    if (settled !== undefined) track(settled, () => {})
  }
  sink.onReadEnd?.()
  stream.redirect(consumer)
  queue.release()
  const outcome = await stream.done
  await Promise.all(underWay)
  if ('error' in outcome) throw outcome.error
  return outcome.end
}
