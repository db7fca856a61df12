import { formatLsn, INVALID_LSN, type Lsn, lsnAdd, lsnMax } from '../wal/index.js'
import { ProtocolError } from './errors.js'
import type { CopyStreamHandler } from './frame-splitter.js'
import { copyDoneFrame, standbyStatusFrame } from './frontend.js'
import { IdleProgress } from './idle-progress.js'
import { SignsOfLife } from './signs-of-life.js'
import { StandbyPositions } from './standby-positions.js'
import {
  DISCARD,
  type EndOfStream,
  type Feedback,
  type ReplicationStreamOptions,
  type StreamConsumer,
  type StreamOutcome,
} from './stream-contract.js'
import { readStreamEnd } from './stream-end.js'
import type { BackendMessage, Wire } from './wire.js'

/** What a server may leave unread of our statuses, in bytes: thousands of them. The newest says all that they say. */
const MAX_UNSENT_BYTES = 64 * 1024

const MAX_LSN = 0xffff_ffff_ffff_ffffn

/**
 * One COPY BOTH exchange: positions, feedback, signs of life, and how it ended.
 *
 * Promises: positions reported only move forward, and never past what was received;
 * statuses go out on their own timer also while reading is paused; a server that asks for
 * an answer gets one, at once when there is news, else a little later, because at shutdown
 * every answer brings the next question (seen: 20 000 a second). On one timeline each message
 * begins where the last one ended, or the stream fails.
 */
export class ReplicationStream implements CopyStreamHandler {
  readonly #wire: Wire
  readonly #options: ReplicationStreamOptions
  #consumer: StreamConsumer
  #position: Lsn
  #received: Lsn
  #serverEnd: Lsn = INVALID_LSN
  /** How far the server had sent, from its last keepalive. Logical streams only. */
  #sentEnd: Lsn = INVALID_LSN
  readonly #idle = new IdleProgress()
  readonly #positions = new StandbyPositions()
  readonly #life: SignsOfLife
  #lastFeedback: Date | null = null
  #copyDoneSent = false
  #finishing = false
  #outcome: StreamOutcome | null = null
  #settle!: (outcome: StreamOutcome) => void
  /** Resolves with how it ended; never rejects, so that it needs no handler. */
  readonly done: Promise<StreamOutcome>

  constructor(wire: Wire, options: ReplicationStreamOptions, consumer: StreamConsumer) {
    this.#wire = wire
    this.#options = options
    this.#consumer = consumer
    this.#position = options.startLsn
    this.#received = options.startLsn
    this.#life = new SignsOfLife(options.statusIntervalMs, {
      senderTimeoutMs: options.senderTimeoutMs,
      pingTimeoutMs: options.pingTimeoutMs,
      isPaused: () => wire.transport.paused,
      sendStatus: (replyRequested) => this.#sendStatus(replyRequested),
      onDead: (error) => this.fail(error),
    })
    this.done = new Promise((resolve) => {
      this.#settle = (outcome) => {
        if (this.#outcome !== null) return
        this.#outcome = outcome
        this.#life.stop()
        this.#wire.transport.gatherReads(false)
        resolve(outcome)
      }
    })
  }

  /** Called once CopyBothResponse is there. Data that came with it has been handed over already. */
  begin(): void {
    // Physical streams come in large messages already, and commits wait for each of their answers.
    this.#wire.transport.gatherReads(this.#options.kind === 'logical')
    this.#wire.intercept(
      (message) => this.#onMessage(message),
      (error) => this.#onLost(error),
    )
    this.#life.look()
  }

  /** How the stream ended, or null while it runs. */
  get outcome(): StreamOutcome | null {
    return this.#outcome
  }

  /** Both sides have said CopyDone, or this one has. */
  get stopped(): boolean {
    return this.#copyDoneSent
  }

  /** End of what has been received, or the start position before anything was. */
  get received(): Lsn {
    return this.#received
  }

  /** The furthest end of WAL the server has told of, whether it was sent or not. */
  get serverEnd(): Lsn {
    return this.#serverEnd
  }

  get positions(): StandbyPositions {
    return this.#positions
  }

  /** The furthest flush position that the caller gave; keepalives do not count. */
  get acknowledged(): Lsn {
    return this.#idle.acknowledged
  }

  /** When a status last went out, or null. */
  get lastFeedback(): Date | null {
    return this.#lastFeedback
  }

  /** When anything last came from the server or went to it. */
  get lastExchange(): Date {
    return this.#life.lastExchange
  }

  /** The socket's file descriptor, or -1 where Node hides it. */
  get fileDescriptor(): number {
    return this.#wire.transport.fileDescriptor
  }

  /** @param intervalMs how often a status goes out from now on; never less than the server needs */
  setStatusInterval(intervalMs: number): void {
    this.#life.setStatusInterval(intervalMs)
  }

  /** Keeps the span now being handed over valid until released. */
  hold(): { release(): void } {
    return this.#wire.transport.hold()
  }

  pauseReading(): void {
    this.#wire.transport.pause()
  }

  resumeReading(): void {
    this.#wire.transport.resume()
    this.#life.onResumed()
  }

  /** Changes who takes the data, between two spans. */
  redirect(consumer: StreamConsumer): void {
    this.#consumer = consumer
  }

  /**
   * Records how far the caller got; the server hears of it with the next status, or now with `force`.
   *
   * @throws UsageError for a position beyond what was received: the server believes it and would
   *   remove WAL that nobody has
   */
  sendFeedback(feedback: Feedback): void {
    // What the server calls its end in a data message is what it has, not what it has sent.
    this.#positions.advance(feedback, lsnMax(this.#received, this.#sentEnd))
    if (feedback.flushLsn !== undefined) {
      this.#idle.onAcknowledged(feedback.flushLsn)
      this.#followKeepalive()
    }
    if (feedback.force || feedback.replyRequested) this.#sendStatus(feedback.replyRequested ?? false)
  }

  /**
   * Ends the stream from our side and drains what is under way.
   *
   * @param drainTimeoutMs after this the connection is destroyed instead
   */
  async stop(drainTimeoutMs: number): Promise<EndOfStream> {
    if (this.#outcome === null && !this.#copyDoneSent) {
      this.#consumer = DISCARD
      this.#sendCopyDone()
      this.#wire.transport.resume()
    }
    const timer = setTimeout(() => {
      this.#settle({ end: { reason: 'client' } })
      this.#wire.transport.destroy()
    }, drainTimeoutMs)
    const outcome = await this.done
    clearTimeout(timer)
    if ('end' in outcome) return outcome.end
    // We were leaving anyway; a line that broke meanwhile changes nothing for the caller.
    return { reason: 'client' }
  }

  /** Ends the stream with an error of the consumer's: nothing more is handed over. */
  fail(error: Error): void {
    this.#consumer = DISCARD
    this.#settle({ error })
    this.#wire.transport.destroy()
  }

  onXLogData(dataStart: Lsn, walEnd: Lsn, sendTime: bigint, payloadLength: number): void {
    this.#life.onHeard()
    if (this.#options.kind === 'physical') {
      // A start that was left to the server is where its first message begins.
      const expected = this.#received === INVALID_LSN ? dataStart : this.#received
      if (dataStart !== expected && !this.#copyDoneSent) {
        throw new ProtocolError(
          `received WAL at ${formatLsn(dataStart)}, expected ${formatLsn(this.#received)}`,
          {
            hint: 'the stream has a gap or an overlap; streaming starts over from what is on disk',
          },
        )
      }
      if (dataStart + BigInt(payloadLength) > MAX_LSN)
        throw new ProtocolError(`received ${payloadLength} bytes of WAL at ${formatLsn(dataStart)}`)
      this.#received = lsnAdd(dataStart, payloadLength)
    } else {
      this.#received = lsnMax(this.#received, dataStart)
      this.#idle.onData(dataStart)
    }
    this.#position = dataStart
    this.#serverEnd = lsnMax(this.#serverEnd, walEnd)
    this.#consumer.onXLogData(dataStart, walEnd, sendTime, payloadLength)
  }

  onSpan(span: Buffer): void {
    const lsn = this.#position
    // The bytes of a logical message have no places of their own in the WAL.
    if (this.#options.kind === 'physical') this.#position = lsnAdd(lsn, span.length)
    this.#consumer.onSpan(lsn, span)
  }

  onXLogDataEnd(): void {
    this.#consumer.onXLogDataEnd()
  }

  onReadEnd(): void {
    this.#life.onHeard()
    this.#consumer.onReadEnd()
  }

  onKeepalive(walEnd: Lsn, _sendTime: bigint, replyRequested: boolean): void {
    this.#life.onHeard()
    this.#serverEnd = lsnMax(this.#serverEnd, walEnd)
    // Up to here there was nothing else to send. In a physical stream every byte is sent, so it says no more
    // than the bytes do.
    if (this.#options.kind === 'logical') {
      this.#sentEnd = lsnMax(this.#sentEnd, walEnd)
      this.#idle.onKeepalive(walEnd)
      this.#followKeepalive()
    }
    // One answer is for all questions that come until it is there.
    const asked = replyRequested && !this.#life.answering
    const settled = this.#consumer.onKeepalive(walEnd, asked)
    if (!asked) return
    if (settled === undefined) {
      this.#answer()
      return
    }
    this.#life.setAnswering(true)
    settled.then(
      () => {
        this.#life.setAnswering(false)
        this.#answer()
      },
      (error) => this.fail(error),
    )
  }

  onUnknown(type: number): void {
    this.#options.onWarning?.(`ignoring a replication message of unknown type "${String.fromCharCode(type)}"`)
  }

  /** Lets the slot move on a quiet stream. Never for physical streams: there flush means that bytes are safe. */
  #followKeepalive(): void {
    if (this.#options.kind === 'physical' || !this.#options.advanceOnKeepalive) return
    this.#positions.advance({ flushLsn: this.#idle.flushable }, this.#sentEnd)
  }

  #answer(): void {
    if (this.#outcome !== null || this.#copyDoneSent) return
    if (this.#positions.changed || this.#lastFeedback === null) {
      this.#sendStatus(false)
      return
    }
    this.#life.answerLater()
  }

  #sendStatus(replyRequested: boolean): void {
    if (this.#outcome !== null || this.#copyDoneSent) return
    this.#life.onSent()
    // What a server does not read must not pile up here. The positions stay news, for the next status.
    if (this.#wire.transport.unsentBytes > MAX_UNSENT_BYTES) return
    const { write, flush, apply } = this.#positions.take()
    this.#wire.send(standbyStatusFrame({ write, flush, apply, replyRequested }))
    this.#lastFeedback = new Date()
  }

  #sendCopyDone(): void {
    if (this.#copyDoneSent) return
    // What was acknowledged since the last status must reach the slot, or it would be sent again.
    if (this.#positions.changed) this.#sendStatus(false)
    this.#copyDoneSent = true
    this.#life.onLeaving()
    this.#wire.send(copyDoneFrame())
  }

  #onMessage(message: BackendMessage): void {
    switch (message.name) {
      case 'copyDone':
        this.#sendCopyDone()
        this.#finish(null)
        break
      case 'commandComplete':
        // A server that shuts down ends the copy without CopyDone, then closes the line.
        this.#wire.endStream()
        this.#settle({ end: { reason: 'server-shutdown' } })
        this.#wire.transport.destroy()
        break
      case 'error':
        if (message.error.fatal) {
          this.#wire.endStream()
          this.#settle({ error: message.error })
        } else this.#finish(message.error)
        break
      case 'notice':
        this.#options.onNotice?.(message.notice)
        break
      case 'parameterStatus':
      case 'other':
        break
      default:
        this.fail(new ProtocolError(`unexpected message "${message.name}" in a replication stream`))
    }
  }

  /** Reads up to ReadyForQuery, so that the connection can be used again, then settles. */
  #finish(error: Error | null): void {
    if (this.#finishing) return
    this.#finishing = true
    this.#wire.endIntercept()
    readStreamEnd(this.#wire, this.#options, error).then(this.#settle)
  }

  #onLost(error: Error): void {
    this.#wire.endStream()
    this.#settle({ error })
  }
}
