import type { Lsn, LsnLike } from '../wal/index.js'
import type { ServerFields } from './errors.js'
import type { NextTimeline } from './replication-commands.js'

/** How a stream ended when nothing went wrong. */
export type EndOfStream =
  | ({ readonly reason: 'timeline' } & NextTimeline)
  | { readonly reason: 'server-shutdown' }
  | { readonly reason: 'client' }

/** How it ended, well or not. */
export type StreamOutcome = { readonly end: EndOfStream } | { readonly error: Error }

/** Who takes what the stream brings. Calls come in the order of the wire. */
export interface StreamConsumer {
  onXLogData(dataStart: Lsn, walEnd: Lsn, sendTime: bigint, payloadLength: number): void
  /** The next payload bytes, which begin at `lsn`. Borrowed: copy or `hold` them. */
  onSpan(lsn: Lsn, span: Buffer): void
  onXLogDataEnd(): void
  /** The answer to a keepalive that asks for one waits for the promise. */
  onKeepalive(walEnd: Lsn, replyRequested: boolean): void | Promise<void>
  /** All that one read brought has been handed over. */
  onReadEnd(): void
}

/** How far a caller got. Positions only move forward; one that is not given stays. */
export interface FeedbackOptions {
  /** Written, but it may not survive a crash. At least the flush position. */
  readonly writeLsn?: LsnLike
  /** Safe: the server may remove it. */
  readonly flushLsn?: LsnLike
  /** Visible to queries on this side; `remote_apply` commits wait for it. */
  readonly applyLsn?: LsnLike
  /** Another name of `applyLsn`. */
  readonly appliedLsn?: LsnLike
  /** Ask the server to answer; sends now. */
  readonly replyRequested?: boolean
  /** Another name of `replyRequested`. */
  readonly reply?: boolean
  /** Send now, not with the next status. */
  readonly force?: boolean
}

export interface Feedback {
  readonly writeLsn?: Lsn
  readonly flushLsn?: Lsn
  readonly applyLsn?: Lsn
  /** Ask the server to answer. */
  readonly replyRequested?: boolean
  /** Send now, not with the next status. */
  readonly force?: boolean
}

export interface ReplicationStreamOptions {
  readonly kind: 'physical' | 'logical'
  readonly startLsn: Lsn
  /** Milliseconds; 0 sends none on our own account. */
  readonly statusIntervalMs: number
  /** The server's wal_sender_timeout in milliseconds; 0 = off or not known. */
  readonly senderTimeoutMs: number
  /** Milliseconds of silence before the server is asked for a sign of life; 0 = never. */
  readonly pingTimeoutMs: number
  /** Let the flush position follow keepalives while everything is acknowledged. Logical streams only. */
  readonly advanceOnKeepalive: boolean
  readonly onWarning?: (text: string) => void
  readonly onNotice?: (notice: ServerFields) => void
}

/** Takes nothing: for what still arrives after the end was decided. */
export const DISCARD: StreamConsumer = {
  onXLogData() {},
  onSpan() {},
  onXLogDataEnd() {},
  onKeepalive() {},
  onReadEnd() {},
}
