/**
 * Resident memory of `walship receive --store`: with four uploads in flight, while the store is away and WAL goes on
 * coming, and while everything that piled up goes out afterwards.
 * Usage: node --import tsx bench/archive-memory.ts [--megabytes=1024] [--minutes=3] [--rate=10] [--compression=lz4]
 *   --rate: MB of WAL per second during the outage
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { PostgresServer } from '../scripts/postgres-server.js'
import { prepare } from '../scripts/prepare.mjs'
import { S3Server } from '../scripts/s3-server.js'
import { waitFor } from '../scripts/wait-for.js'
import { parseLsn } from '../src/wal/index.js'
import { markdownTable, median, numberOption, print, textOption } from './report.js'
import { BenchReceiver } from './shipping-receiver.js'
import { rssOf } from './timed-run.js'

const SAMPLE_INTERVAL_MS = 100
const DRAIN_TIMEOUT_MS = 600_000

const megabytes = numberOption('megabytes', 1024)
const minutes = numberOption('minutes', 3)
const megabytesPerSecond = numberOption('rate', 10)
const compression = textOption('compression', 'lz4')

await prepare()
await using store = await S3Server.start()
await using server = await PostgresServer.launch({
  settings: { max_wal_size: '4GB', checkpoint_timeout: '1h', wal_keep_size: 0 },
})
const setting = { server, store, compression }
await server.query(`CREATE TABLE filler AS
  SELECT string_agg(md5(i::text) || ' some text that repeats ', '') AS text FROM generate_series(1, 18000) i`)
await using receiver = await BenchReceiver.start(setting, ...BenchReceiver.shipping(setting))
await using client = await writer()
const rows: string[][] = []

await measure('four uploads in flight', async () => {
  await client.write(megabytes)
  await archived()
})
await store.kill()
const begun = Date.now()
for (let minute = 1; minute <= minutes; minute++) {
  await measure(`store away, minute ${minute}`, async () => {
    while (Date.now() < begun + minute * 60_000)
      await Promise.all([client.write(megabytesPerSecond), sleep(1000)])
  })
}
await store.restart()
await measure('sending what piled up', archived)
print(markdownTable(['resident memory (MB)', 'median', 'most'], rows))

async function writer() {
  const connection = await server.connect()
  return {
    write: (size: number) =>
      connection.query(
        `SELECT pg_logical_emit_message(false, 'bench', text) FROM filler, generate_series(1, ${size})`,
      ),
    [Symbol.asyncDispose]: () => connection.end(),
  }
}

async function archived(): Promise<void> {
  const end = parseLsn(await server.value('SELECT pg_switch_wal()'))
  await waitFor(
    'everything to be archived',
    () => receiver.ends.some(({ lsn }) => lsn >= end),
    DRAIN_TIMEOUT_MS,
  )
}

async function measure(phase: string, run: () => Promise<void>): Promise<void> {
  const samples: number[] = []
  const timer = setInterval(() => samples.push(rssOf(receiver.pid)), SAMPLE_INTERVAL_MS)
  await run()
  clearInterval(timer)
  rows.push([phase, median(samples).toFixed(0), Math.max(...samples).toFixed(0)])
}
