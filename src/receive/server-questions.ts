import { ReceiveError } from './errors.js'

export interface ServerQuestionsOptions {
  /** Brings everything written into the archive. Bounded; need not succeed. */
  flush(): Promise<void>
  /** The server hears now that all that was written is safe. */
  isAllConfirmed(): boolean
  /** Milliseconds of a monotonic clock. Replaced in tests. */
  readonly now?: () => number
}

/**
 * A server that does not shut down asks again only after half its wal_sender_timeout, half a minute by
 * default. One that does asks again as soon as it has an answer, which is put off by a second at most.
 */
const AT_ONCE_MS = 1500

/**
 * Answers a server's questions where they wait for an archive, and notices when a shutdown hangs on them: a
 * server does not end before each byte it has sent is confirmed, and goes on asking for it for ever. An
 * archive that cannot be reached must not keep it alive; the slot keeps what is not confirmed.
 */
export class ServerQuestions {
  readonly #options: ServerQuestionsOptions
  readonly #now: () => number
  #answeredAt = Number.NEGATIVE_INFINITY

  constructor(options: ServerQuestionsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /**
   * Does what there is to do before an answer.
   *
   * @throws ReceiveError `RECEIVE_SERVER_SHUTDOWN` when the server is not to be kept waiting any longer
   */
  async answer(): Promise<void> {
    const { flush, isAllConfirmed } = this.#options
    const isAskedAgain = this.#now() - this.#answeredAt < AT_ONCE_MS
    if (isAskedAgain && !isAllConfirmed()) {
      throw new ReceiveError(
        'the server waits, before it shuts down, for WAL that is not in the archive yet',
        {
          code: 'RECEIVE_SERVER_SHUTDOWN',
          retryable: true,
          hint: 'the connection was given up so that it can shut down; the slot keeps this WAL, and the archive gets it from the directory',
        },
      )
    }
    await flush()
    this.#answeredAt = isAllConfirmed() ? Number.NEGATIVE_INFINITY : this.#now()
  }
}
