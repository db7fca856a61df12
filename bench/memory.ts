/**
 * Resident memory over time, at full speed: a server that writes WAL without a pause, walship that streams it.
 * Received segments are deleted as they come, so that the disk stays small.
 * Usage: node --import tsx bench/memory.ts [--minutes=5] [--compress=lz4] [--burst-pause-ms=0]
 * A pause after each burst of 64 MB leaves a machine usable over a long run; the bursts stay at full speed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PostgresServer } from '../scripts/postgres-server.js'
import { prepare } from '../scripts/prepare.mjs'
import { OURS } from './receivers.js'
import { markdownTable, median, numberOption, print, textOption } from './report.js'
import { peakRssOf, rssOf } from './timed-run.js'

const SAMPLE_INTERVAL_MS = 1_000
const ROW_COUNT = 12

const minutes = numberOption('minutes', 5)
const burstPauseMs = numberOption('burst-pause-ms', 0)
const compression = textOption('compress', 'none')

await prepare()
await using server = await PostgresServer.launch({
  settings: { max_wal_size: '2GB', min_wal_size: '1GB', checkpoint_timeout: '30s', wal_keep_size: 0 },
})
const directory = await mkdtemp(join(tmpdir(), 'walship-memory-'))
await server.query(`SELECT pg_create_physical_replication_slot('memory', true)`)
const args = ['-D', directory, '-S', 'memory', '--no-loop', '-s', '1', '-Z', compression, '-d', server.dsn]
const receiver = spawn(OURS.path, args, { stdio: 'inherit' })
process.once('exit', () => receiver.kill('SIGKILL'))
const endTime = Date.now() + minutes * 60_000
const samples: { seconds: number; megabytes: number; rssMb: number; peakMb: number }[] = []
try {
  await Promise.all([writeWal(), sample()])
} finally {
  receiver.kill('SIGINT')
  await once(receiver, 'exit')
  await rm(directory, { recursive: true })
}
report()

/** Bare WAL, a megabyte a record, without tables: as fast as the server can write it. */
async function writeWal(): Promise<void> {
  const client = await server.connect()
  // The text differs from block to block, so that compression has work to do.
  const text = `(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 32768) i)`
  await client.query(`CREATE TEMP TABLE body AS SELECT ${text} AS text`)
  while (Date.now() < endTime) {
    await client.query(
      `SELECT pg_logical_emit_message(false, 'bench', text) FROM body, generate_series(1, 64)`,
    )
    // WAL that nobody has received yet must not fill the disk.
    while (Number(await lagMb(client)) > 512) await sleep(5)
    if (burstPauseMs > 0) await sleep(burstPauseMs)
  }
  await client.end()
}

async function lagMb(client: Awaited<ReturnType<PostgresServer['connect']>>): Promise<number> {
  const { rows } = await client.query(
    `SELECT (pg_current_wal_lsn() - write_lsn) / 1e6 AS lag FROM pg_stat_replication`,
  )
  return Number(rows[0]?.lag ?? 0)
}

async function sample(): Promise<void> {
  const start = Date.now()
  while (Date.now() < endTime && receiver.exitCode === null) {
    await sleep(SAMPLE_INTERVAL_MS)
    const names = (await readdir(directory)).filter((name) => /^[0-9A-F]{24}(\.\w+)?$/.test(name)).sort()
    const finished = names.filter((name) => !name.endsWith('.partial'))
    for (const name of finished.slice(0, -1)) await rm(join(directory, name), { force: true })
    samples.push({
      seconds: (Date.now() - start) / 1000,
      megabytes: Number(await server.value(`SELECT (write_lsn - '0/0') / 1e6 FROM pg_stat_replication`)),
      rssMb: rssOf(receiver.pid!),
      peakMb: peakRssOf(receiver.pid!),
    })
  }
  if (receiver.exitCode !== null) throw new Error(`the receiver ended with ${receiver.exitCode}`)
}

function report(): void {
  const step = Math.max(1, Math.floor(samples.length / ROW_COUNT))
  const rows = samples
    .filter((_, index) => index % step === step - 1)
    .map(({ seconds, megabytes, rssMb, peakMb }) =>
      [seconds, megabytes, rssMb, peakMb].map((figure) => figure.toFixed(0)),
    )
  print(markdownTable([`seconds (${compression})`, 'received (MB)', 'resident (MB)', 'peak (MB)'], rows))
  const third = Math.ceil(samples.length / 3)
  const early = median(samples.slice(0, third).map(({ rssMb }) => rssMb))
  const late = median(samples.slice(-third).map(({ rssMb }) => rssMb))
  print(`median resident memory: first third ${early.toFixed(1)} MB, last third ${late.toFixed(1)} MB`)
}
