/**
 * The decoded stream against the server's own tables: random transactions of several clients at once are
 * applied to a model, over connections that are given up now and then, and the rows compared at the end.
 */
import { describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { type Change, type Lsn, type PgoutputOptions, pgoutputTransactions } from '../../src/index.js'
import { EVERY_KIND_SETTINGS } from '../pgoutput/every-kind.js'
import { createPgoutputSlot, isMark, openPgoutput } from './pgoutput-stream.js'
import {
  RANDOM_TABLE_NAMES,
  RANDOM_TABLES,
  randomNumbers,
  runRandomTransactions,
} from './random-transactions.js'
import { rowText, TableModel } from './table-model.js'
import { launchTestServer, MAJOR } from './test-server.js'

const CLIENTS = 3
const TRANSACTIONS = 40
/** A stream is given up after this many and taken up again. */
const TRANSACTIONS_A_STREAM = 35

type Choice = Omit<PgoutputOptions, 'publications'>
const CHOICES: readonly (readonly [since: number, name: string, options: Choice])[] = [
  [10, 'version 1 as far as can be', {}],
  [14, 'streamed', { streaming: 'on' }],
  [15, 'streamed and prepared', { streaming: 'on', twoPhase: true }],
  [16, 'streamed for parallel application and prepared', { streaming: 'parallel', twoPhase: true }],
]

describe(`the decoded stream of PostgreSQL ${MAJOR} makes the same tables`, () => {
  for (const [since, name, options] of CHOICES) {
    it.runIf(MAJOR >= since)(name, async () => {
      const memory: Record<string, string> = MAJOR >= 13 ? { logical_decoding_work_mem: '64kB' } : {}
      const server = await launchTestServer({ settings: { ...EVERY_KIND_SETTINGS, ...memory } })
      onTestFinished(() => server[Symbol.asyncDispose]())
      await server.query(RANDOM_TABLES)
      await server.query('CREATE TABLE marks (id int)')
      await createPgoutputSlot(server, 'changes', options.twoPhase ?? false)
      const written = writeAll(server)
      const model = new TableModel()
      const kinds = await readAll(server, options, model)
      await written
      for (const table of RANDOM_TABLE_NAMES)
        expect(model.rows(table)).toEqual(await serversRows(server, table))
      // The workload is one that has it all.
      expect(kinds.get('streamed') ?? 0).toBeGreaterThan(options.streaming === undefined ? -1 : 0)
      for (const kind of ['prepared transaction', 'commit prepared', 'rollback prepared'])
        expect(kinds.has(kind)).toBe(options.twoPhase === true)
      expect(kinds.get('streams')).toBeGreaterThan(1)
    })
  }
})

async function writeAll(server: PostgresServer): Promise<void> {
  const clients = Array.from({ length: CLIENTS }, async (_, index) => {
    const client = await server.connect()
    try {
      await runRandomTransactions(client, index + 1, TRANSACTIONS, randomNumbers(1000 + index))
    } finally {
      await client.end()
    }
  })
  await Promise.all(clients)
  await server.query('INSERT INTO marks VALUES (1)')
}

/** Applies everything up to the mark; counts what came. */
async function readAll(
  server: PostgresServer,
  options: Choice,
  model: TableModel,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
  const prepared = new Map<string, readonly Change[]>()
  let last = 0n as Lsn
  for (;;) {
    count('streams')
    await using connection = await openPgoutput(server, 'changes', options)
    let taken = 0
    for await (const transaction of pgoutputTransactions(connection)) {
      expect(transaction.acknowledgeLsn).toBeGreaterThan(last)
      last = transaction.acknowledgeLsn
      count(transaction.kind)
      switch (transaction.kind) {
        case 'transaction':
          if (transaction.streamed) count('streamed')
          model.apply(transaction.changes)
          break
        case 'prepared transaction':
          prepared.set(transaction.gid, transaction.changes)
          break
        case 'commit prepared':
          model.apply(prepared.get(transaction.gid)!)
          prepared.delete(transaction.gid)
          break
        case 'rollback prepared':
          prepared.delete(transaction.gid)
      }
      connection.sendFeedback({ flushLsn: last, force: true })
      if (isMark(transaction)) {
        expect(prepared.size).toBe(0)
        return counts
      }
      if (++taken === TRANSACTIONS_A_STREAM) break
    }
  }
}

async function serversRows(server: PostgresServer, table: string): Promise<string[]> {
  const { rows } = await server
    .query<{ columns: string[] }>(
      `SELECT array_agg(attname::text) AS columns FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attnum > 0`,
    )
    .then(async ([found]) => {
      const columns = found!.columns.map((column) => `${column}::text`).join(', ')
      return { rows: await server.query<Record<string, string>>(`SELECT ${columns} FROM ${table}`) }
    })
  return rows.map(rowText).sort()
}
