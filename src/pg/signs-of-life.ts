import { ConnectionLostError } from './errors.js'
import { evaluateStream } from './stream-clock.js'

export interface SignsOfLifeOptions {
  /** The server's wal_sender_timeout in milliseconds; 0 = off or not known. */
  readonly senderTimeoutMs: number
  /** After this much silence the server is asked, and as long is waited again; 0 = never. */
  readonly pingTimeoutMs: number
  /** Nothing is being read. */
  isPaused(): boolean
  sendStatus(replyRequested: boolean): void
  onDead(error: ConnectionLostError): void
}

/**
 * When a stream last sent and heard something, and the timer that follows from it: statuses on their own interval
 * also while reading is paused, answers that were put off, questions to a server that is silent.
 */
export class SignsOfLife {
  readonly #options: SignsOfLifeOptions
  #statusIntervalMs: number
  #lastSentAt = performance.now()
  #lastReceivedAt = performance.now()
  #pingedAt: number | null = null
  #replyDueAt: number | null = null
  #answering = false
  #leaving = false
  #over = false
  #timer: NodeJS.Timeout | null = null

  constructor(statusIntervalMs: number, options: SignsOfLifeOptions) {
    this.#statusIntervalMs = statusIntervalMs
    this.#options = options
  }

  /** When anything last came from the server or went to it. */
  get lastExchange(): Date {
    const agoMs = performance.now() - Math.max(this.#lastReceivedAt, this.#lastSentAt)
    return new Date(Date.now() - agoMs)
  }

  /** The answer to a question of the server is being prepared, which may take long. */
  get answering(): boolean {
    return this.#answering
  }

  /** @param intervalMs how often a status goes out from now on; never less than the server needs */
  setStatusInterval(intervalMs: number): void {
    const { senderTimeoutMs } = this.#options
    this.#statusIntervalMs = senderTimeoutMs > 0 ? Math.min(intervalMs, senderTimeoutMs / 3) : intervalMs
    this.look()
  }

  onSent(): void {
    this.#replyDueAt = null
    this.#lastSentAt = performance.now()
  }

  onHeard(): void {
    this.#lastReceivedAt = performance.now()
    this.#pingedAt = null
  }

  /** Silence of the time in which nothing was read says nothing. */
  onResumed(): void {
    this.#lastReceivedAt = performance.now()
  }

  setAnswering(answering: boolean): void {
    this.#answering = answering
    if (answering) this.look()
  }

  /** The server asked and there is nothing new: it is told so, but not at once. */
  answerLater(): void {
    const { senderTimeoutMs } = this.#options
    const delayMs = senderTimeoutMs > 0 ? Math.min(1000, senderTimeoutMs / 4) : 1000
    this.#replyDueAt ??= performance.now() + delayMs
    this.look()
  }

  /** Our CopyDone went out: there is nothing to say any more, and only the end to wait for. */
  onLeaving(): void {
    this.#leaving = true
  }

  stop(): void {
    this.#over = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  /** Does what is due, and sets the timer anew. */
  look(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#over) return
    const now = performance.now()
    const { senderTimeoutMs, pingTimeoutMs } = this.#options
    const verdict = evaluateStream(
      {
        statusIntervalMs: this.#leaving ? 0 : this.#statusIntervalMs,
        senderTimeoutMs: this.#leaving ? 0 : senderTimeoutMs,
        pingTimeoutMs: this.#leaving ? 0 : pingTimeoutMs,
        lastSentAt: this.#lastSentAt,
        lastReceivedAt: this.#lastReceivedAt,
        pingedAt: this.#pingedAt,
        replyDueAt: this.#replyDueAt,
        answering: this.#answering,
        paused: this.#options.isPaused(),
      },
      now,
    )
    if (verdict.action === 'dead') {
      const seconds = Math.round((now - this.#lastReceivedAt) / 1000)
      this.#options.onDead(serverSilent(`no sign of life from the server for ${seconds} seconds`))
      return
    }
    if (verdict.action === 'ping') {
      this.#pingedAt = now
      this.#options.sendStatus(true)
    } else if (verdict.action === 'status') this.#options.sendStatus(false)
    this.#timer = setTimeout(() => this.look(), Math.max(1, Math.min(1000, verdict.lookAgainMs)))
  }
}

export function serverSilent(text: string): ConnectionLostError {
  return new ConnectionLostError(text, {
    code: 'PG_SERVER_SILENT',
    hint: 'the server or the network between is gone without a word',
  })
}
