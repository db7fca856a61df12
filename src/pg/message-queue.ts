import type { Lsn } from '../wal/index.js'
import { ConnectionLostError } from './errors.js'
import { type MessageSource, ReplicationMessage } from './replication-message.js'
import type { ReplicationStream } from './replication-stream.js'
import type { StreamConsumer } from './stream-contract.js'

export interface MessageQueueOptions {
  /** Reading pauses while more than this is queued, in bytes. */
  readonly highWaterMark: number
  /**
   * A reader that takes nothing for this long is cut off, in milliseconds; 0 = never. A client
   * that keeps its socket full can block the checkpointer of a primary that wants to drop its slot.
   */
  readonly stallTimeoutMs: number
  /** What the messages have in common. */
  readonly source?: MessageSource
}

/** What a queued message costs besides its payload, in bytes: empty ones must fill the queue too. */
const MESSAGE_OVERHEAD = 200
/** What a message's own word gets it at once, in bytes; more room is made as its bytes come. */
const FIRST_ROOM = 1024 * 1024
/** Taken places at the front of the queue are given up from here on. */
const COMPACT_FROM = 1024

/**
 * Puts messages together and keeps them until they are asked for, with back-pressure: above
 * the high-water mark nothing is read from the socket.
 */
export class MessageQueue implements StreamConsumer {
  readonly #options: MessageQueueOptions
  #stream: ReplicationStream | null = null
  readonly #queue: (ReplicationMessage | undefined)[] = []
  #head = 0
  #queuedBytes = 0
  #paused = false
  #stallTimer: NodeJS.Timeout | null = null
  #payload: Buffer | null = null
  #payloadLength = 0
  #filled = 0
  #header: { dataStart: Lsn; walEnd: Lsn; sendTime: bigint } | null = null
  #wake: (() => void) | null = null

  constructor(options: MessageQueueOptions) {
    this.#options = options
  }

  attach(stream: ReplicationStream): void {
    this.#stream = stream
    stream.done.then(() => {
      if (this.#stallTimer !== null) clearTimeout(this.#stallTimer)
      this.#wake?.()
    })
  }

  /** The oldest message, or null when none is complete. */
  take(): ReplicationMessage | null {
    const message = this.#queue[this.#head]
    if (message === undefined) return null
    // Not shift(): that moves all that is left, each time.
    this.#queue[this.#head] = undefined
    this.#head += 1
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0
      this.#head = 0
    } else if (this.#head >= COMPACT_FROM && this.#head * 2 >= this.#queue.length) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
    this.#queuedBytes -= message.dataSize + MESSAGE_OVERHEAD
    this.#adjust()
    return message
  }

  /** Nothing waits to be taken, whole or in part. */
  get empty(): boolean {
    return this.#head === this.#queue.length && this.#header === null
  }

  /**
   * Waits until there is a message or the stream has ended.
   *
   * @returns false when neither happened in `timeoutMs`
   * @throws the signal's reason on abort
   */
  wait(timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.#head < this.#queue.length || this.#stream?.outcome != null) return Promise.resolve(true)
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#wake = null
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = () => {
        done()
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        done()
        resolve(false)
      }, timeoutMs)
      this.#wake = () => {
        done()
        resolve(true)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** The part of a message that has arrived while the rest is still under way. */
  get unfinished(): { readonly dataStart: Lsn; readonly bytes: Buffer } | null {
    if (this.#header === null || this.#payload === null) return null
    return { dataStart: this.#header.dataStart, bytes: this.#payload.subarray(0, this.#filled) }
  }

  /** Lets reading go on whatever is queued: someone else takes over, or the stream ends. */
  release(): void {
    this.#queuedBytes = Number.NEGATIVE_INFINITY
    this.#adjust()
  }

  onXLogData(dataStart: Lsn, walEnd: Lsn, sendTime: bigint, payloadLength: number): void {
    this.#header = { dataStart, walEnd, sendTime }
    this.#payloadLength = payloadLength
    this.#payload = Buffer.allocUnsafe(Math.min(payloadLength, FIRST_ROOM))
    this.#filled = 0
  }

  onSpan(_lsn: Lsn, span: Buffer): void {
    const end = this.#filled + span.length
    if (end > this.#payload!.length) {
      const larger = Buffer.allocUnsafe(
        Math.min(this.#payloadLength, Math.max(end, 2 * this.#payload!.length)),
      )
      this.#payload!.copy(larger, 0, 0, this.#filled)
      this.#payload = larger
    }
    this.#filled += span.copy(this.#payload!, this.#filled)
  }

  onXLogDataEnd(): void {
    const { dataStart, walEnd, sendTime } = this.#header!
    const message = new ReplicationMessage(this.#payload!, dataStart, walEnd, sendTime, this.#options.source)
    this.#header = null
    this.#payload = null
    this.#queue.push(message)
    this.#queuedBytes += message.dataSize + MESSAGE_OVERHEAD
    this.#adjust()
    this.#wake?.()
  }

  onKeepalive(): void {}

  onReadEnd(): void {}

  #adjust(): void {
    const paused = this.#queuedBytes > this.#options.highWaterMark
    if (paused === this.#paused) return
    this.#paused = paused
    if (!paused) {
      if (this.#stallTimer !== null) clearTimeout(this.#stallTimer)
      this.#stallTimer = null
      this.#stream?.resumeReading()
      return
    }
    this.#stream?.pauseReading()
    if (this.#options.stallTimeoutMs > 0) {
      this.#stallTimer = setTimeout(() => {
        this.#stream?.fail(
          new ConnectionLostError(`nothing was read from the stream for ${this.#options.stallTimeoutMs} ms`, {
            code: 'PG_READER_STALLED',
            hint: 'read faster, or spool to disk: a client that stops reading can block the primary',
          }),
        )
      }, this.#options.stallTimeoutMs)
    }
  }
}
