/** Several connections that commit rows as fast as the server lets them, and remember what was acknowledged. */
import pg from 'pg'
import type { PostgresServer } from './postgres-server.js'

const PAYLOAD_BYTES = 4000

export class CommitLoad {
  readonly #clients: pg.Client[] = []
  readonly #acknowledged: number[] = []
  /** When each commit was acknowledged, in milliseconds since the epoch; by client, number 1 first. */
  readonly #times: number[][] = []
  #running: Promise<unknown> = Promise.resolve()
  #stopped = false
  #failure: unknown

  /** Makes the table. Rows are (client, number), and a payload that no compression makes smaller. */
  static async prepare(server: PostgresServer): Promise<void> {
    await server.query(
      'CREATE TABLE load (client int, number int, payload bytea, PRIMARY KEY (client, number))',
    )
    await server.query('ALTER TABLE load ALTER payload SET STORAGE EXTERNAL')
  }

  static async start(server: PostgresServer, clientCount: number): Promise<CommitLoad> {
    const load = new CommitLoad()
    for (let client = 0; client < clientCount; client++) {
      load.#clients.push(await server.connect())
      load.#acknowledged.push(0)
      load.#times.push([])
    }
    load.#running = Promise.all(load.#clients.map((client, index) => load.#commitRows(client, index)))
    return load
  }

  /** How many commits the server has acknowledged so far. */
  get acknowledged(): number {
    return this.#acknowledged.reduce((sum, count) => sum + count, 0)
  }

  /**
   * Returns when every connection has stopped, after this call or by the death of the server. Rejects with
   * what a statement failed with, if one did for another reason.
   */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
    await Promise.all(this.#clients.map((client) => client.end().catch(() => undefined)))
    if (this.#failure !== undefined) throw this.#failure
  }

  /**
   * Looks for every acknowledged row in another server. Rows whose acknowledgement was on its way when the
   * server died may be there too: a commit is allowed to survive unasked, never to vanish.
   *
   * @returns firstMissingAt: when the oldest missing row was acknowledged, in milliseconds since the epoch
   */
  async compareWith(
    server: PostgresServer,
  ): Promise<{ present: number; missing: number; firstMissingAt: number | null }> {
    const rows = await server.query<{ client: number; number: number }>('SELECT client, number FROM load')
    const present = new Set(rows.map(({ client, number }) => `${client} ${number}`))
    const missingAt: number[] = []
    this.#times.forEach((times, client) => {
      times.forEach((at, index) => {
        if (!present.has(`${client} ${index + 1}`)) missingAt.push(at)
      })
    })
    const firstMissingAt = missingAt.reduce<number | null>((a, b) => (a === null || b < a ? b : a), null)
    return { present: present.size, missing: missingAt.length, firstMissingAt }
  }

  async #commitRows(client: pg.Client, index: number): Promise<void> {
    const payload = Buffer.alloc(PAYLOAD_BYTES, 'walship')
    const insert = { name: 'insert', text: 'INSERT INTO load VALUES ($1, $2, $3)' }
    try {
      for (let number = 1; !this.#stopped; number++) {
        await client.query({ ...insert, values: [index, number, payload] })
        this.#acknowledged[index] = number
        this.#times[index]!.push(Date.now())
      }
    } catch (error) {
      // Anything but an answer of the server is the end of the connection.
      if (error instanceof pg.DatabaseError && error.severity === 'ERROR') this.#failure = error
    }
  }
}
