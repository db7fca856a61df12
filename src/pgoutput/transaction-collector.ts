import { formatLsn, type Lsn } from '../wal/index.js'
import { PgoutputError, PgoutputMemoryError } from './errors.js'
import type { Change, PgoutputMessage, PrepareMessage, StreamPrepareMessage } from './messages.js'
import { OpenTransaction } from './open-transaction.js'
import type { ReplicatedTransaction } from './transaction.js'

/** 256 MB. */
export const DEFAULT_MAX_BUFFERED_BYTES = 256 * 1024 * 1024

/**
 * Puts the messages of a stream together to whole transactions.
 *
 * A streamed transaction is kept until the server says what became of it; what was rolled back to
 * a savepoint is let go at once. All that is kept counts against one limit: beyond it there
 * is an error, never a part of a transaction.
 */
export class TransactionCollector {
  readonly #maxBufferedBytes: number
  /** Between Begin and Commit, or Begin Prepare and Prepare. */
  #current: OpenTransaction | null = null
  #currentEnd: Lsn | null = null
  readonly #streamed = new Map<number, OpenTransaction>()
  /** Between Stream Start and Stream Stop. */
  #part: OpenTransaction | null = null
  #bufferedBytes = 0

  /** @param maxBufferedBytes what may be kept, in bytes of payload and what goes with it */
  constructor(maxBufferedBytes = DEFAULT_MAX_BUFFERED_BYTES) {
    this.#maxBufferedBytes = maxBufferedBytes
  }

  /** What is kept at the moment, about, in bytes. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /**
   * Takes the next message of the stream.
   *
   * @param payloadLength bytes that the message keeps in memory
   * @returns what came to its end with this message, or null
   * @throws PgoutputMemoryError beyond the limit
   * @throws PgoutputError when it does not fit to those before
   */
  push(message: PgoutputMessage, payloadLength: number): ReplicatedTransaction | null {
    switch (message.kind) {
      case 'insert':
      case 'update':
      case 'delete':
      case 'truncate':
        this.#add(message, payloadLength)
        return null
      case 'message':
        if (!message.transactional) return { kind: 'message', message, acknowledgeLsn: message.messageLsn }
        this.#add(message, payloadLength)
        return null
      case 'relation':
      case 'type':
        return null
      case 'origin':
        this.#open(message).origin = { name: message.name, lsn: message.originLsn }
        return null
      case 'begin':
        this.#begin(message, message.finalLsn)
        return null
      case 'begin prepare':
        this.#begin(message, message.prepareLsn)
        return null
      case 'commit': {
        const open = this.#end(message, message.commitLsn)
        return this.#committed(open, message, false)
      }
      case 'prepare':
        return this.#prepared(this.#end(message, message.prepareLsn), message, false)
      case 'stream start':
        this.#part = this.#streamed.get(message.xid) ?? new OpenTransaction(message.xid)
        this.#streamed.set(message.xid, this.#part)
        return null
      case 'stream stop':
        this.#part = null
        return null
      case 'stream abort':
        this.#abort(message.xid, message.subxid)
        return null
      case 'stream commit':
        return this.#committed(this.#takeStreamed(message), message, true)
      case 'stream prepare':
        return this.#prepared(this.#takeStreamed(message), message, true)
      case 'commit prepared': {
        const { gid, xid, commitLsn, endLsn, commitTime, commitTimeMicros, kind } = message
        return { kind, gid, xid, commitLsn, endLsn, commitTime, commitTimeMicros, acknowledgeLsn: endLsn }
      }
      case 'rollback prepared': {
        const { kind, gid, xid, prepareEndLsn, endLsn, rollbackTime, rollbackTimeMicros } = message
        const ends = { prepareEndLsn, endLsn, acknowledgeLsn: endLsn }
        return { kind, gid, xid, rollbackTime, rollbackTimeMicros, ...ends }
      }
    }
  }

  #add(change: Change, payloadLength: number): void {
    const open = this.#open(change)
    const before = open.byteCount
    open.add(change, payloadLength)
    this.#bufferedBytes += open.byteCount - before
    if (this.#bufferedBytes > this.#maxBufferedBytes) {
      throw new PgoutputMemoryError(
        `changes of ${this.#streamed.size + (this.#current === null ? 0 : 1)} unfinished transactions`,
        this.#maxBufferedBytes,
        'raise maxBufferedBytes, or read message by message (pgoutputMessages), which keeps nothing',
      )
    }
  }

  #open(message: PgoutputMessage): OpenTransaction {
    return this.#part ?? this.#current ?? misplaced(message, 'it belongs to no transaction')
  }

  #begin(message: PgoutputMessage & { readonly xid: number }, end: Lsn): void {
    if (this.#current !== null) misplaced(message, `transaction ${this.#current.xid} has not come to its end`)
    this.#current = new OpenTransaction(message.xid)
    this.#currentEnd = end
  }

  #end(message: PgoutputMessage, end: Lsn): OpenTransaction {
    const open = this.#current
    if (open === null) misplaced(message, 'no transaction has begun')
    if (end !== this.#currentEnd)
      misplaced(message, `transaction ${open.xid} was to end at ${formatLsn(this.#currentEnd!)}`)
    this.#current = null
    this.#bufferedBytes -= open.byteCount
    return open
  }

  #takeStreamed(message: PgoutputMessage & { readonly xid: number }): OpenTransaction {
    const open = this.#streamed.get(message.xid)
    // Handing out nothing in its place would lose a transaction without a word.
    if (open === undefined) misplaced(message, `nothing was streamed of transaction ${message.xid}`)
    this.#streamed.delete(message.xid)
    this.#bufferedBytes -= open.byteCount
    return open
  }

  #abort(xid: number, subxid: number): void {
    const open = this.#streamed.get(xid)
    if (open === undefined) return
    const before = open.byteCount
    if (subxid === xid) {
      this.#streamed.delete(xid)
      this.#bufferedBytes -= before
      return
    }
    open.rollBack(subxid)
    this.#bufferedBytes += open.byteCount - before
  }

  #committed(
    open: OpenTransaction,
    message: { commitLsn: Lsn; endLsn: Lsn; commitTime: Date; commitTimeMicros: bigint },
    streamed: boolean,
  ): ReplicatedTransaction {
    const { commitLsn, endLsn, commitTime, commitTimeMicros } = message
    return {
      kind: 'transaction',
      xid: open.xid,
      streamed,
      origin: open.origin,
      changes: open.changes(),
      commitLsn,
      endLsn,
      commitTime,
      commitTimeMicros,
      acknowledgeLsn: endLsn,
    }
  }

  #prepared(
    open: OpenTransaction,
    message: PrepareMessage | StreamPrepareMessage,
    streamed: boolean,
  ): ReplicatedTransaction {
    const { gid, prepareLsn, endLsn, prepareTime, prepareTimeMicros } = message
    return {
      kind: 'prepared transaction',
      gid,
      xid: open.xid,
      streamed,
      origin: open.origin,
      changes: open.changes(),
      prepareLsn,
      endLsn,
      prepareTime,
      prepareTimeMicros,
      acknowledgeLsn: endLsn,
    }
  }
}

function misplaced(message: PgoutputMessage, why: string): never {
  const { kind, lsn } = message
  throw new PgoutputError(`could not take "${kind}" at ${formatLsn(lsn)} into a transaction: ${why}`, {
    offset: 0,
    lsn,
  })
}
