/**
 * How fast a stream of pgoutput is read and decoded to rows: walship against pg-logical-replication, in turns,
 * the same stream of the same server.
 * Usage: node --import tsx bench/logical.ts [--messages=1000000] [--runs=5] [--modes=100,1]
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PostgresServer } from '../scripts/postgres-server.js'
import type { ConsumerResult } from './logical-consumer.js'
import { decodingAlone } from './logical-decoding.js'
import { markdownTable, median, numberOption, print, textOption } from './report.js'

const CONSUMER = fileURLToPath(new URL('./logical-consumer.ts', import.meta.url))
const READERS = ['walship', 'peer'] as const
type Reader = (typeof READERS)[number]

const messageCount = numberOption('messages', 1_000_000)
const runCount = numberOption('runs', 5)
/** Rows in one transaction. */
const modes = textOption('modes', '100,1').split(',').map(Number)

await using server = await PostgresServer.launch({
  settings: {
    wal_level: 'logical',
    synchronous_commit: false,
    max_wal_size: '8GB',
    checkpoint_timeout: '1h',
    shared_buffers: '256MB',
    autovacuum: false,
  },
})
await server.query(`
  CREATE TABLE movements (id int, branch int, amount numeric(12, 2), kind text, note text);
  CREATE TABLE marks (id int);
  CREATE PUBLICATION everything FOR ALL TABLES`)

for (const mode of modes) {
  const slot = `rows${mode}`
  await server.query(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`)
  // Each transaction has a Begin and a Commit too.
  await server.query(insertRows(Math.ceil((messageCount * mode) / (mode + 2)), mode))
  await server.query('INSERT INTO marks VALUES (1)')
  const results = new Map<Reader, ConsumerResult[]>(READERS.map((reader) => [reader, []]))
  for (let run = 0; run < runCount; run++) {
    for (const reader of run % 2 === 0 ? READERS : [...READERS].reverse())
      results.get(reader)!.push(await consume(reader, slot))
  }
  print(summary(mode, results))
  print(decodingAlone(await payloadsOf(slot), mode))
  await server.query(`SELECT pg_drop_replication_slot('${slot}')`)
}

function insertRows(count: number, rowsInTransaction: number): string {
  return `DO $$ BEGIN
    FOR part IN 1..${Math.ceil(count / rowsInTransaction)} LOOP
      INSERT INTO movements SELECT part * ${rowsInTransaction} + i, i % 97, i * 1.25, 'transfer',
        md5(part::text) || ' a note as people write it' FROM generate_series(1, ${rowsInTransaction}) i;
      COMMIT;
    END LOOP; END $$`
}

/** A slot moves on when it is used, so every run gets its own copy. */
async function consume(reader: Reader, slot: string): Promise<ConsumerResult> {
  await server.query(`SELECT pg_copy_logical_replication_slot('${slot}', 'run')`)
  const args = ['--import', 'tsx', CONSUMER, reader, String(server.port), 'run']
  const { stdout } = await promisify(execFile)(process.execPath, args)
  await server.query(
    `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'run' AND active`,
  )
  for (;;) {
    const active = await server.value(`SELECT active FROM pg_replication_slots WHERE slot_name = 'run'`)
    if (active === 'false') break
  }
  await server.query(`SELECT pg_drop_replication_slot('run')`)
  return JSON.parse(stdout)
}

/** Some of the stream's messages, as the server would send them. */
async function payloadsOf(slot: string): Promise<Buffer[]> {
  const sql = `SELECT data FROM pg_logical_slot_peek_binary_changes('${slot}', NULL, 200000,
    'proto_version', '1', 'publication_names', 'everything')`
  return (await server.query<{ data: Buffer }>(sql)).map(({ data }) => data)
}

function summary(mode: number, results: ReadonlyMap<Reader, readonly ConsumerResult[]>): string {
  const [ours, peer] = READERS.map((reader) => results.get(reader)!)
  const [first] = ours!
  for (const { messages, checksum } of [...ours!, ...peer!]) {
    if (messages !== first!.messages || checksum !== first!.checksum)
      throw new Error(`the two did not read the same: ${JSON.stringify([...results])}`)
  }
  const rate = (runs: readonly ConsumerResult[]) =>
    median(runs.map((run) => run.messages / run.wallSeconds)) / 1000
  const cpu = (runs: readonly ConsumerResult[]) =>
    median(runs.map((run) => (run.cpuSeconds * 1e6) / run.messages))
  const line = (name: string, of: (runs: readonly ConsumerResult[]) => number, digits: number) => [
    name,
    of(ours!).toFixed(digits),
    of(peer!).toFixed(digits),
    (of(ours!) / of(peer!)).toFixed(2),
  ]
  return markdownTable(
    [`${mode} rows a transaction, ${first!.messages} messages`, 'walship', 'pg-logical-replication', 'ratio'],
    [line('thousand messages per second', rate, 0), line('CPU per message (us)', cpu, 2)],
  )
}
