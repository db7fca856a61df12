/** A running server as its clients see it: where it listens, and statements run on it. */
import pg from 'pg'

export abstract class PostgresEndpoint {
  readonly host = '127.0.0.1'
  readonly user = 'postgres'

  abstract get port(): number

  /** A conninfo string for this server, over TCP. */
  get dsn(): string {
    return `host=${this.host} port=${this.port} user=${this.user} dbname=postgres`
  }

  /** A connection as the superuser. The caller ends it. */
  async connect(database = 'postgres'): Promise<pg.Client> {
    const client = new pg.Client({ host: this.host, port: this.port, user: this.user, database })
    // A killed server breaks idle connections; without a listener that would end this process.
    client.on('error', () => undefined)
    await client.connect()
    return client
  }

  /** One statement on a connection of its own; its rows. */
  async query<Row = Record<string, unknown>>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    const client = await this.connect()
    try {
      return (await client.query(sql, parameters)).rows as Row[]
    } finally {
      await client.end()
    }
  }

  /** The first column of the only row, as text. */
  async value(sql: string, parameters: unknown[] = []): Promise<string> {
    const [row] = await this.query(sql, parameters)
    return String(Object.values(row ?? {})[0])
  }

  async reload(): Promise<void> {
    await this.query('SELECT pg_reload_conf()')
  }
}
