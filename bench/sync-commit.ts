/**
 * What commits cost while they wait for the receiver: pgbench with the receiver as the synchronous standby,
 * walship and the installed pg_receivewal in turns. Besides tps it shows the worst commit, and the worst
 * one while the receiver changed from one segment to the next.
 * Usage: node --import tsx bench/sync-commit.ts [--seconds=20] [--runs=3] [--clients=1,16] [--scale=20]
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { PostgresServer } from '../scripts/postgres-server.js'
import { prepare } from '../scripts/prepare.mjs'
import { waitFor } from '../scripts/wait-for.js'
import { bothReceivers, PEER_MAJOR, peerServer, type ReceiverProgram } from './receivers.js'
import { markdownTable, median, numberOption, print, textOption } from './report.js'

const PGBENCH = `/usr/lib/postgresql/${PEER_MAJOR}/bin/pgbench`
/** Steady WAL beside the commits, as of a bulk job: about 6 MB/s, so that a run sees several segment ends. */
const BULK_INTERVAL_MS = 40
const BULK_BYTES = 256 * 1024
/** A commit that overlaps this long around the end of a segment is a commit at a segment switch. */
const SWITCH_WINDOW_MS = 30

interface Figures {
  readonly tps: number
  readonly medianMs: number
  readonly p99Ms: number
  readonly worstMs: number
  readonly worstAtSwitchMs: number
  readonly switches: number
  /** Of the receiver, user and system, for each 1000 commits. */
  readonly cpuMsPerThousand: number
}

const seconds = numberOption('seconds', 20)
const runCount = numberOption('runs', 3)
const clientCounts = textOption('clients', '1,16').split(',').map(Number)

await prepare()
const receivers = bothReceivers()
await using server = await PostgresServer.launch({
  binaries: await peerServer(),
  settings: {
    fsync: true,
    shared_buffers: '512MB',
    min_wal_size: '2GB',
    max_wal_size: '8GB',
    checkpoint_timeout: '1h',
  },
})
await pgbench(['-i', '-q', '-s', String(numberOption('scale', 20))])

await server.query(
  `SELECT pg_logical_emit_message(false, 'bulk', repeat('bulk', 262144)) FROM generate_series(1, 2048)`,
)

for (const clients of clientCounts) {
  const figures = new Map<ReceiverProgram, Figures[]>(receivers.map((receiver) => [receiver, []]))
  for (let run = 0; run < runCount; run++) {
    // Who goes first changes from run to run: the disk is not the same for the second.
    const order = run % 2 === 0 ? receivers : [...receivers].reverse()
    for (const receiver of order) figures.get(receiver)!.push(await benchCommits(receiver, clients))
  }
  print(summary(clients, figures))
}

async function pgbench(args: readonly string[], cwd = tmpdir()): Promise<void> {
  const connection = ['-h', server.host, '-p', String(server.port), '-U', server.user, 'postgres']
  await promisify(execFile)(PGBENCH, [...args, ...connection], { cwd })
}

async function benchCommits(receiver: ReceiverProgram, clients: number): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'walship-sync-commit-'))
  const args = ['-D', folder, '-S', 'bench', '--synchronous', '-d', `${server.dsn} application_name=bench`]
  // The server's next segments are old ones renamed; making new ones would be its own stall, not the receiver's.
  await server.query('CHECKPOINT')
  await server.query(`SELECT pg_create_physical_replication_slot('bench', true)`)
  await promisify(execFile)('sync')
  const child = spawn(receiver.path, args, { stdio: 'ignore' })
  const killChild = () => child.kill('SIGKILL')
  process.once('exit', killChild)
  try {
    await synchronous('bench')
    const stopBulk = await startBulkWal()
    const load = [
      '-n',
      '-N',
      '-c',
      String(clients),
      '-j',
      '1',
      '-T',
      String(seconds),
      '-l',
      '--log-prefix=commits',
    ]
    const cpuBefore = await cpuMs(child.pid!)
    await pgbench(load, folder).finally(stopBulk)
    return await figuresOf(folder, (await cpuMs(child.pid!)) - cpuBefore)
  } finally {
    await synchronous('')
    child.kill('SIGINT')
    await once(child, 'exit')
    process.off('exit', killChild)
    await waitFor('the slot to be free', () =>
      server.value('SELECT bool_or(NOT active) FROM pg_replication_slots'),
    )
    await server.query(`SELECT pg_drop_replication_slot('bench')`)
    await rm(folder, { recursive: true })
  }
}

/** Returns the function that ends it. */
async function startBulkWal(): Promise<() => Promise<void>> {
  const client = await server.connect()
  let stopped = false
  const emit = async () => {
    while (!stopped) {
      await client.query(`SELECT pg_logical_emit_message(false, 'bulk', repeat('bulk', ${BULK_BYTES / 4}))`)
      await sleep(BULK_INTERVAL_MS)
    }
    await client.end()
  }
  const emitting = emit()
  return () => {
    stopped = true
    return emitting
  }
}

/** Makes commits wait for this standby, or for none; returns when that is in force. */
async function synchronous(standby: string): Promise<void> {
  await server.configure({ synchronous_standby_names: standby })
  await server.reload()
  if (standby === '') return
  await waitFor('the receiver to be synchronous', async () => {
    return (await server.value(`SELECT max(sync_state) FROM pg_stat_replication`)) === 'sync'
  })
}

/** What a process has used so far. Clock ticks are 10 ms on every Linux. */
async function cpuMs(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Reads pgbench's log: client, transaction, duration in us, script, end as seconds and us. */
async function figuresOf(folder: string, receiverCpuMs: number): Promise<Figures> {
  const names = await readdir(folder)
  const commits: { startMs: number; endMs: number; ms: number }[] = []
  for (const name of names.filter((each) => each.startsWith('commits'))) {
    for (const line of (await readFile(join(folder, name), 'utf8')).trimEnd().split('\n')) {
      const [, , durationUs, , endSeconds, endUs] = line.split(' ').map(Number)
      const endMs = endSeconds! * 1000 + endUs! / 1000
      commits.push({ startMs: endMs - durationUs! / 1000, endMs, ms: durationUs! / 1000 })
    }
  }
  const durations = commits.map(({ ms }) => ms).sort((a, b) => a - b)
  const switchTimes = await finishTimesMs(folder, names)
  const atSwitch = commits.filter(({ startMs, endMs }) =>
    switchTimes.some((time) => startMs < time + SWITCH_WINDOW_MS && endMs > time - SWITCH_WINDOW_MS),
  )
  return {
    tps: commits.length / seconds,
    medianMs: durations[durations.length >> 1]!,
    p99Ms: durations[Math.floor(durations.length * 0.99)]!,
    worstMs: durations.at(-1)!,
    worstAtSwitchMs: Math.max(0, ...atSwitch.map(({ ms }) => ms)),
    switches: switchTimes.length,
    cpuMsPerThousand: (receiverCpuMs / commits.length) * 1000,
  }
}

/** A finished segment's inode was last changed by its renaming, and that is the moment of the switch. */
async function finishTimesMs(folder: string, names: readonly string[]): Promise<number[]> {
  const segments = names.filter((name) => /^[0-9A-F]{24}$/.test(name))
  return Promise.all(segments.map(async (name) => (await stat(join(folder, name))).ctimeMs))
}

function summary(clients: number, figures: Map<ReceiverProgram, Figures[]>): string {
  const [ours, peer] = receivers.map((receiver) => figures.get(receiver)!)
  const row = (name: string, figure: keyof Figures, digits = 2) => {
    const [a, b] = [ours!, peer!].map((runs) => median(runs.map((run) => run[figure])))
    return [name, a!.toFixed(digits), b!.toFixed(digits), (a! / b!).toFixed(2)]
  }
  return markdownTable(
    [`synchronous commits, ${clients} clients`, ...receivers.map(({ name }) => name), 'ratio'],
    [
      row('tps', 'tps', 0),
      row('median commit (ms)', 'medianMs'),
      row('99th percentile (ms)', 'p99Ms'),
      row('worst commit (ms)', 'worstMs', 1),
      row('worst at a segment switch (ms)', 'worstAtSwitchMs', 1),
      row('segment switches', 'switches', 0),
      row('CPU of the receiver (ms per 1000 commits)', 'cpuMsPerThousand', 0),
    ],
  )
}
