import type { CommandOptions } from './command-options.js'
import type { ConnectOptions } from './connect-options.js'
import { Cursor } from './cursor.js'
import { PgError, ProtocolError, type ServerFields } from './errors.js'
import { terminateFrame } from './frontend.js'
import { openSession } from './open-session.js'
import type { Session } from './session.js'
import { type RawResult, simpleQuery } from './simple-query.js'
import { type QueryResult, queryResult, type SqlValue } from './sql-values.js'

const CANCEL_TIMEOUT_MS = 5_000

/**
 * A session with a server. This class by itself is an ordinary one, for SQL over the simple query
 * protocol: enough to look at slots and replicas. The replication connections build on it.
 *
 * Commands that are sent at the same time run one after the other. Failures reject the call that
 * meets them; there is no 'error' event to forget.
 */
export class Connection implements AsyncDisposable {
  protected readonly session: Session
  protected readonly onNotice: ((notice: ServerFields) => void) | undefined
  #lastTurn: Promise<unknown> = Promise.resolve()
  #closed = false

  protected constructor(session: Session, onNotice?: (notice: ServerFields) => void) {
    this.session = session
    this.onNotice = onNotice
  }

  /**
   * Connects, authenticates, and waits until the server takes commands.
   *
   * @throws ConnectionFailedError with libpq's text when no host would have us
   */
  static async connect(options: ConnectOptions): Promise<Connection> {
    return new Connection(await openSession(options, null), options.onNotice)
  }

  /** Settings the server reported, e.g. `server_version`. */
  get parameters(): ReadonlyMap<string, string> {
    return this.session.parameters
  }

  /** As PQserverVersion has it: 180004 for 18.4. */
  get serverVersion(): number {
    return this.session.serverVersion
  }

  get backendPid(): number {
    return this.session.backendPid
  }

  /** The host that was reached, as the options name it: a name, an address or a socket directory. */
  get host(): string {
    return this.session.host
  }

  get closed(): boolean {
    return this.#closed || this.session.wire.failure !== null || this.session.transport.socket.destroyed
  }

  /** The password that was used, so that a reconnect need not ask again. */
  get passwordUsed(): string | undefined {
    return this.session.passwordUsed
  }

  /**
   * Runs SQL and gives the rows of its last statement. The type argument says what the caller
   * expects the columns to be; it is not checked.
   *
   * ```ts
   * const { rows } = await connection.query<{ slot_name: string; active: boolean }>(
   *   'SELECT slot_name, active FROM pg_replication_slots',
   * )
   * ```
   *
   * @throws ServerError when the server refused it; the connection stays usable unless it was fatal
   */
  async query<Row = Record<string, SqlValue>>(
    sql: string,
    options?: CommandOptions,
  ): Promise<QueryResult<Row>> {
    return queryResult<Row>((await this.command(sql, options)).at(-1))
  }

  /** A cursor: commands one at a time, and the rows of the last one by position. */
  cursor(): Cursor {
    return new Cursor((sql, options) => this.command(sql, options))
  }

  /**
   * Asks the server to cancel the command that runs now; that command then rejects with 57014. Nothing
   * happens when none runs.
   *
   * @throws ConnectionFailedError when the server cannot be reached
   */
  async cancel(): Promise<void> {
    await this.session.cancel(AbortSignal.timeout(CANCEL_TIMEOUT_MS))
  }

  /** Says goodbye and closes. Never throws, never takes long. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const { wire, transport } = this.session
    if (wire.failure === null) {
      wire.send(terminateFrame())
      transport.end()
    }
    await transport.waitClosed(2_000)
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.#closed = true
    this.session.transport.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Runs one command when those before it are through. */
  protected command(sql: string, options: CommandOptions = {}): Promise<RawResult[]> {
    return this.inTurn(async () => {
      try {
        return await simpleQuery(this.session.wire, sql, {
          signal: options.signal,
          maxResultBytes: options.maxResultBytes,
          onNotice: this.onNotice,
          onParameter: (name, value) => this.session.parameters.set(name, value),
        })
      } catch (error) {
        // A slot that is being made waits for old transactions, and does not notice that its client is gone.
        if (options.signal?.aborted) this.cancel().catch(() => {})
        // An answer that is not understood is not read to its end: what follows would be taken for the next one.
        if (error instanceof ProtocolError) this.session.transport.destroy()
        throw error
      }
    })
  }

  /** One exchange at a time: two on one wire would take each other's answers. */
  protected inTurn<Result>(exchange: () => Promise<Result>): Promise<Result> {
    const turn = this.#lastTurn.then(() => {
      this.refuseCommand()
      return exchange()
    })
    this.#lastTurn = turn.catch(() => {})
    return turn
  }

  /** @throws PgError when no command can be sent now */
  protected refuseCommand(): void {
    if (this.#closed) throw new PgError('the connection is closed', { code: 'PG_CLOSED' })
  }
}
