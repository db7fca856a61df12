import { Connection, type ConnectOptions } from '../pg/index.js'
import type { ProgramHost } from './program-host.js'

/** A look that takes longer has failed: a hanging server must not hang whoever looks. */
const LOOK_LIMIT_MS = 10_000

/** A replication connection has no database; an ordinary one needs one that is there. */
export function ordinaryOptions(
  connection: ConnectOptions,
  environment: ProgramHost['environment'],
): ConnectOptions {
  return {
    ...connection,
    environment: { ...environment, PGDATABASE: environment.PGDATABASE || 'postgres' },
    onNotice: undefined,
    onWarning: undefined,
  }
}

/**
 * An ordinary connection for looks at what a replication connection does not tell. Made at the first look, kept, and
 * made anew after a failure.
 */
export class OrdinaryConnection {
  readonly #options: ConnectOptions
  #connection: Connection | null = null

  /** @param options from {@link ordinaryOptions} */
  constructor(options: ConnectOptions) {
    this.#options = options
  }

  /** @throws what the look throws, or the connection; the connection is given up then */
  async look<T>(
    job: (connection: Connection, options: { signal: AbortSignal }) => Promise<T>,
    stop: AbortSignal,
  ): Promise<T> {
    const limit = new AbortController()
    const abort = () => limit.abort()
    const timer = setTimeout(abort, LOOK_LIMIT_MS)
    if (stop.aborted) abort()
    else stop.addEventListener('abort', abort, { once: true })
    const { signal } = limit
    try {
      if (this.#connection?.closed) this.#connection = null
      this.#connection ??= await Connection.connect({ ...this.#options, signal })
      return await job(this.#connection, { signal })
    } catch (error) {
      this.#connection?.destroy()
      this.#connection = null
      throw error
    } finally {
      clearTimeout(timer)
      stop.removeEventListener('abort', abort)
    }
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#connection = null
    await connection?.close()
  }
}
