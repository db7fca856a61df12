import type { CommandOptions } from './command-options.js'
import { UsageError } from './errors.js'
import type { RawResult } from './simple-query.js'
import { type Column, columnsOf, countOf, type SqlTuple, tuplesOf } from './sql-values.js'

export type RunCommand = (sql: string, options?: CommandOptions) => Promise<RawResult[]>

/**
 * A cursor in the manner of the Python database API: a command, then its rows by position. Rows are
 * in memory; closing a cursor frees nothing on the server.
 *
 * ```ts
 * using cursor = connection.cursor()
 * await cursor.execute('SELECT slot_name, active FROM pg_replication_slots')
 * for (const [name, active] of cursor.fetchAll()) console.log(name, active)
 * ```
 */
export class Cursor implements Disposable {
  readonly #run: RunCommand
  #result: RawResult | null = null
  #rows: SqlTuple[] = []
  #next = 0
  #closed = false

  /** @internal Cursors are made by `connection.cursor()`. */
  constructor(run: RunCommand) {
    this.#run = run
  }

  /**
   * Runs SQL, or a replication command where the connection takes such; the rows of its last
   * statement can be fetched.
   *
   * @throws ServerError when the server refused it
   */
  async execute(sql: string, options?: CommandOptions): Promise<void> {
    await this.run(sql, options)
  }

  /** The next row, or null after the last. */
  fetchOne(): SqlTuple | null {
    this.#refuseWhenClosed()
    const row = this.#rows[this.#next]
    if (row === undefined) return null
    this.#next += 1
    return row
  }

  /** All rows that were not fetched yet. */
  fetchAll(): SqlTuple[] {
    this.#refuseWhenClosed()
    const rows = this.#rows.slice(this.#next)
    this.#next = this.#rows.length
    return rows
  }

  /** The columns of the last result, or null when it had none. */
  get description(): readonly Column[] | null {
    return this.#result === null || this.#result.columns.length === 0 ? null : columnsOf(this.#result)
  }

  /** Rows that the last command returned or changed; -1 before the first. */
  get rowCount(): number {
    return this.#result === null ? -1 : countOf(this.#result)
  }

  /** The command tag of the last command. */
  get statusMessage(): string | null {
    return this.#result?.tag ?? null
  }

  get isClosed(): boolean {
    return this.#closed
  }

  close(): void {
    this.#closed = true
    this.#rows = []
    this.#result = null
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Runs a command and keeps its last result for the fetch methods. */
  protected async run(sql: string, options?: CommandOptions): Promise<RawResult[]> {
    this.#refuseWhenClosed()
    this.#result = null
    this.#rows = []
    this.#next = 0
    const results = await this.#run(sql, options)
    this.#result = results.at(-1) ?? null
    this.#rows = this.#result === null ? [] : tuplesOf(this.#result)
    return results
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new UsageError('the cursor is closed')
  }
}
