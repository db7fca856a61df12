/**
 * What shipping costs and how soon WAL is safe: `walship receive --store` into a real S3 server on this machine.
 * The server, the receiver and the store share its processors, so the figures are a lower bound.
 * Usage: node --import tsx bench/archive.ts [--megabytes=1024] [--seconds=15] [--clients=1,8,32] [--compression=lz4]
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { CommitLoad } from '../scripts/commit-load.js'
import { PostgresServer } from '../scripts/postgres-server.js'
import { prepare } from '../scripts/prepare.mjs'
import { S3Server } from '../scripts/s3-server.js'
import { waitFor } from '../scripts/wait-for.js'
import { type Lsn, parseLsn } from '../src/wal/index.js'
import { markdownTable, median, numberOption, print, textOption } from './report.js'
import { BenchReceiver } from './shipping-receiver.js'
import { peakRssOf } from './timed-run.js'

const COMMIT_INTERVAL_MS = 20
const MESSAGE_MB = 16

const megabytes = numberOption('megabytes', 1024)
const seconds = numberOption('seconds', 15)
const clientCounts = textOption('clients', '1,8,32').split(',').map(Number)
const compression = textOption('compression', 'lz4')

await prepare()
await using store = await S3Server.start()
await using server = await PostgresServer.launch({
  settings: { max_wal_size: '8GB', min_wal_size: '2GB', checkpoint_timeout: '1h', wal_keep_size: 0 },
})
const setting = { server, store, compression }
await CommitLoad.prepare(server)
await server.query(`CREATE TABLE filler AS
  SELECT string_agg(md5(i::text) || ' some text that repeats ', '') AS text FROM generate_series(1, 18000) i`)

const received = await throughput(false)
const shipped = await throughput(true)
print(
  markdownTable(
    [`${megabytes} MB of WAL`, 'MB/s', 'CPU seconds per GB', 'peak RSS (MB)'],
    [
      ['received only', ...figures(received)],
      [`received and archived (${compression}, 4 uploads)`, ...figures(shipped)],
    ],
  ),
)
const ages = await secondsToArchived()
print(
  markdownTable(
    ['from commit to archived, tail of 1 s', 'p50 (s)', 'p99 (s)', 'commits'],
    [['one client', quantile(ages, 0.5).toFixed(2), quantile(ages, 0.99).toFixed(2), ages.length]],
  ),
)
const rows: (string | number)[][] = []
for (const clients of clientCounts) {
  const rate = await commitsPerSecond(clients)
  rows.push([clients, rate.toFixed(0), ((1000 * clients) / rate).toFixed(1)])
}
print(markdownTable(['clients at --ack archived', 'commits/s', 'mean commit (ms)'], rows))

interface Throughput {
  readonly megabytesPerSecond: number
  readonly cpuSecondsPerGb: number
  readonly peakRssMb: number
}

function figures({ megabytesPerSecond, cpuSecondsPerGb, peakRssMb }: Throughput): string[] {
  return [megabytesPerSecond.toFixed(0), cpuSecondsPerGb.toFixed(1), peakRssMb.toFixed(0)]
}

/** Writes WAL as fast as the server can, and waits until all of it has been received, or archived. */
async function throughput(ships: boolean): Promise<Throughput> {
  await using receiver = await BenchReceiver.start(
    setting,
    ...(ships ? BenchReceiver.shipping(setting, '--tail-interval', '0') : []),
  )
  await sleep(1000)
  const cpuBefore = receiver.cpuSeconds
  const begun = performance.now()
  const client = await server.connect()
  for (let written = 0; written < megabytes; written += MESSAGE_MB) {
    await client.query(
      `SELECT pg_logical_emit_message(false, 'bench', text) FROM filler, generate_series(1, ${MESSAGE_MB})`,
    )
  }
  await client.end()
  const end = parseLsn(await server.value('SELECT pg_switch_wal()'))
  await waitFor(
    'everything to be there',
    () => (ships ? receiver.ends.some(({ lsn }) => lsn >= end) : receiver.finished >= end),
    600_000,
  )
  const wallSeconds = (performance.now() - begun) / 1000
  return {
    megabytesPerSecond: megabytes / wallSeconds,
    cpuSecondsPerGb: (receiver.cpuSeconds - cpuBefore) / (megabytes / 1024),
    peakRssMb: peakRssOf(receiver.pid),
  }
}

/** Of each commit of a client that commits all the time: how long until the archive had it. */
async function secondsToArchived(): Promise<number[]> {
  await using receiver = await BenchReceiver.start(setting, ...BenchReceiver.shipping(setting))
  const client = await server.connect()
  // What a start costs once, the search for parts that an earlier run left, is not what is measured.
  await client.query(`SELECT pg_logical_emit_message(true, 'bench', 'x')`)
  await waitFor('the first part', () => receiver.ends.length > 0)
  const commits: { at: number; lsn: Lsn }[] = []
  const endTime = Date.now() + seconds * 1000
  while (Date.now() < endTime) {
    await client.query(`SELECT pg_logical_emit_message(true, 'bench', repeat('x', 1000))`)
    const at = Date.now()
    const { rows: found } = await client.query('SELECT pg_current_wal_flush_lsn() AS lsn')
    commits.push({ at, lsn: parseLsn(found[0].lsn) })
    await sleep(COMMIT_INTERVAL_MS)
  }
  await client.end()
  const last = commits.at(-1)!
  await waitFor('the last commit to be archived', () => receiver.ends.some(({ lsn }) => lsn >= last.lsn))
  return commits.map(({ at, lsn }) => {
    const archived = receiver.ends.find((end) => end.lsn >= lsn)!
    return Math.max(0, archived.at - at) / 1000
  })
}

async function commitsPerSecond(clients: number): Promise<number> {
  await using receiver = await BenchReceiver.start(
    setting,
    ...BenchReceiver.shipping(setting, '--ack', 'archived'),
  )
  await synchronous('bench')
  try {
    await server.query('TRUNCATE load')
    const load = await CommitLoad.start(server, clients)
    await sleep(2000)
    const before = load.acknowledged
    await sleep(seconds * 1000)
    const rate = (load.acknowledged - before) / seconds
    await load.stop()
    void receiver
    return rate
  } finally {
    await synchronous('')
  }
}

async function synchronous(standby: string): Promise<void> {
  await server.configure({ synchronous_standby_names: standby })
  await server.reload()
  if (standby === '') return
  await waitFor('the receiver to be synchronous', async () => {
    return (await server.value('SELECT max(sync_state) FROM pg_stat_replication')) === 'sync'
  })
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return share === 0.5
    ? median(sorted)
    : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}
