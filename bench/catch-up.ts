/**
 * How fast WAL that is already there gets into a directory: walship against the installed pg_receivewal, in
 * turns, same server, same disk, same WAL, default durability.
 * Usage: node --import tsx bench/catch-up.ts [--gb=1.6] [--runs=5] [--modes=plain,lz4]
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PostgresServer } from '../scripts/postgres-server.js'
import { prepare } from '../scripts/prepare.mjs'
import { bothReceivers, peerServer, type ReceiverProgram } from './receivers.js'
import { markdownTable, median, numberOption, print, textOption } from './report.js'
import { type Cost, timedRun } from './timed-run.js'

const KEEPER = 'keeper'
const SEGMENT_BYTES = 16 * 1024 * 1024
const ROWS_PER_GB = 7_000_000

const gigabytes = numberOption('gb', 1.6)
const runCount = numberOption('runs', 5)
const modes = textOption('modes', 'plain,lz4').split(',')

await prepare()
const receivers = bothReceivers()
await using server = await PostgresServer.launch({
  binaries: await peerServer(),
  settings: {
    max_wal_size: '20GB',
    checkpoint_timeout: '1h',
    wal_keep_size: '20GB',
    shared_buffers: '256MB',
  },
})
const { walBytes, endLsn } = await generateWal()
print(
  `WAL to catch up with: ${(walBytes / 1e9).toFixed(2)} GB, PostgreSQL ${server.major}, ${runCount} runs each\n`,
)

for (const mode of modes) {
  const costs = new Map<ReceiverProgram, Cost[]>(receivers.map((receiver) => [receiver, []]))
  for (let run = 0; run < runCount; run++) {
    // Who goes first changes from run to run: the disk is not the same for the second.
    const order = run % 2 === 0 ? receivers : [...receivers].reverse()
    for (const receiver of order) costs.get(receiver)!.push(await catchUp(receiver, mode, run === 0))
  }
  print(summary(mode, costs))
}

/** Ordinary table rows, so that the WAL compresses like ordinary WAL; the slot keeps all of it. */
async function generateWal(): Promise<{ walBytes: number; endLsn: string }> {
  await server.query('SELECT pg_switch_wal()')
  await server.query(`SELECT pg_create_physical_replication_slot('${KEEPER}', true)`)
  const reserved = BigInt(await server.value(`SELECT restart_lsn - '0/0' FROM pg_replication_slots`))
  await server.query('CREATE TABLE rows (id int, branch int, amount numeric, note text)')
  const rows = Math.ceil(gigabytes * ROWS_PER_GB)
  await server.query(
    `INSERT INTO rows SELECT i, i % 97, random() * 1000, md5(i::text) || ' note' FROM generate_series(1, ${rows}) i`,
  )
  await server.query('CREATE INDEX ON rows (id)')
  await server.query('SELECT pg_switch_wal()')
  await server.query('CHECKPOINT')
  // One byte below a segment boundary: the last thing a receiver does is to finish that segment.
  const end = BigInt(await server.value(`SELECT pg_current_wal_flush_lsn() - '0/0'`))
  const floor = (lsn: bigint) => lsn - (lsn % BigInt(SEGMENT_BYTES))
  return { walBytes: Number(floor(end) - floor(reserved)), endLsn: lsnText(floor(end) - 1n) }
}

function lsnText(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffffffffn).toString(16)}`.toUpperCase()
}

async function catchUp(receiver: ReceiverProgram, mode: string, verify: boolean): Promise<Cost> {
  const directory = await mkdtemp(join(tmpdir(), 'walship-catch-up-'))
  // A slot moves on when it is used, so every run gets its own copy of the one that stands at the start.
  await server.query(`SELECT pg_copy_physical_replication_slot('${KEEPER}', 'run')`)
  try {
    const args = ['-D', directory, '-S', 'run', '-E', endLsn, '--no-loop', '-d', server.dsn]
    const cost = await timedRun(receiver.path, mode === 'plain' ? args : [...args, '-Z', mode])
    const names = (await readdir(directory)).filter((name) => /^[0-9A-F]{24}(\.\w+)?$/.test(name))
    const expected = Math.round(walBytes / SEGMENT_BYTES)
    if (names.length < expected) throw new Error(`${receiver.name}: ${names.length} of ${expected} segments`)
    if (verify && mode === 'plain') await compareWithServer(directory, names)
    return cost
  } finally {
    await server.query(`SELECT pg_drop_replication_slot('run')`)
    await rm(directory, { recursive: true })
  }
}

/** Speed counts only for bytes that are right. */
async function compareWithServer(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const [received, served] = await Promise.all([
      readFile(join(directory, name)),
      readFile(join(server.walDirectory, name)),
    ])
    if (!received.equals(served)) throw new Error(`${name} differs from the server's`)
  }
}

function summary(mode: string, costs: Map<ReceiverProgram, Cost[]>): string {
  const [ours, peer] = receivers.map((receiver) => costs.get(receiver)!)
  const of = (runs: Cost[], figure: keyof Cost) => median(runs.map((cost) => cost[figure]))
  const row = (name: string, figure: keyof Cost, unit: string) => [
    `${name} (${unit})`,
    of(ours!, figure).toFixed(2),
    of(peer!, figure).toFixed(2),
    (of(ours!, figure) / of(peer!, figure)).toFixed(2),
  ]
  const speed = (runs: Cost[]) => walBytes / 1e6 / of(runs, 'wallSeconds')
  return markdownTable(
    [`catch-up, ${mode}`, ...receivers.map(({ name }) => name), 'ratio'],
    [
      [
        'speed (MB/s)',
        speed(ours!).toFixed(0),
        speed(peer!).toFixed(0),
        (speed(ours!) / speed(peer!)).toFixed(2),
      ],
      row('wall', 'wallSeconds', 's'),
      row('CPU user + system', 'cpuSeconds', 's'),
      row('peak memory', 'peakRssMb', 'MB'),
    ],
  )
}
