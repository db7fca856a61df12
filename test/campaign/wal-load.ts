/** WAL without a pause, in transactions of 32 bytes to 64 kB, on a server that may be gone at any moment. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import type { Random } from '../support/random.js'

const MOST_REPEATS = 2000
const RETRY_MS = 50

export class WalLoad {
  readonly #target: () => PostgresServer
  readonly #random: Random
  #running: Promise<void> | null = null
  #goesOn = false

  /** @param target asked again and again: a promotion moves the load */
  constructor(target: () => PostgresServer, random: Random) {
    this.#target = target
    this.#random = random
  }

  start(): void {
    this.#goesOn = true
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#goesOn = false
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#goesOn) {
      try {
        await this.#writeTo(this.#target())
      } catch {
        // The server is part of the disaster.
        await sleep(RETRY_MS)
      }
    }
  }

  async #writeTo(server: PostgresServer): Promise<void> {
    const client = await server.connect()
    try {
      for (let round = 0; this.#goesOn && server === this.#target(); round++) {
        const repeats = 1 + Math.floor(MOST_REPEATS ** this.#random())
        const text = `(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, ${repeats}))`
        await client.query(`SELECT pg_logical_emit_message(true, 'load', ${text})`)
        if (round % 8 === 0) await sleep(5)
      }
    } finally {
      await client.end().catch(() => {})
    }
  }
}
