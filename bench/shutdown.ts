/**
 * What an attached receiver costs a fast shutdown of its primary: the server is stopped with nobody attached,
 * with walship, and with the installed pg_receivewal, in turns and right after a load.
 * Usage: node --import tsx bench/shutdown.ts [--runs=5]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PostgresServer } from '../scripts/postgres-server.js'
import { prepare } from '../scripts/prepare.mjs'
import { waitFor } from '../scripts/wait-for.js'
import { bothReceivers, peerServer, type ReceiverProgram } from './receivers.js'
import { markdownTable, median, numberOption, print } from './report.js'

/** Ends in the middle of a segment, so that the receiver holds bytes that it has not confirmed. */
const LOAD_STATEMENT = `SELECT pg_logical_emit_message(true, 'load', repeat('load', 65536)) FROM generate_series(1, 100)`

interface Attachment {
  readonly name: string
  /** Options of the receiver; null: none is attached. */
  readonly options: readonly string[] | null
}

const ATTACHMENTS: readonly Attachment[] = [
  { name: 'nobody', options: null },
  { name: 'a receiver', options: [] },
  { name: 'a receiver with -S', options: ['-S', 'bench'] },
  { name: 'a receiver with -S --synchronous', options: ['-S', 'bench', '--synchronous'] },
]

const runCount = numberOption('runs', 5)

await prepare()
const receivers = bothReceivers()
await using server = await PostgresServer.launch({ binaries: await peerServer(), settings: { fsync: true } })
await server.query(`SELECT pg_create_physical_replication_slot('bench', true)`)

const stopTimes = new Map<string, number[]>()
for (let run = 0; run < runCount; run++) {
  for (const attachment of ATTACHMENTS) {
    // Who goes first changes from run to run.
    const order = run % 2 === 0 ? receivers : [...receivers].reverse()
    for (const receiver of attachment.options === null ? order.slice(0, 1) : order) {
      const key = rowKey(attachment, receiver)
      stopTimes.set(key, [...(stopTimes.get(key) ?? []), await timedStop(attachment, receiver)])
    }
  }
}
print(
  markdownTable(
    [`fast stop, median ms of ${runCount} (slowest)`, ...receivers.map(({ name }) => name)],
    ATTACHMENTS.map((attachment) => [
      `with ${attachment.name} attached`,
      ...receivers.map((receiver) => cell(stopTimes.get(rowKey(attachment, receiver))!)),
    ]),
  ),
)

function rowKey({ name, options }: Attachment, receiver: ReceiverProgram): string {
  return options === null ? name : `${name} ${receiver.name}`
}

function cell(times: readonly number[]): string {
  return `${median(times).toFixed(0)} (${Math.max(...times).toFixed(0)})`
}

/** Milliseconds from the request to the end of the postmaster; the server runs again afterwards. */
async function timedStop({ options }: Attachment, receiver: ReceiverProgram): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'walship-shutdown-'))
  const child =
    options === null
      ? null
      : spawn(receiver.path, ['-n', '-D', folder, '-d', server.dsn, ...options], { stdio: 'ignore' })
  const killChild = () => child?.kill('SIGKILL')
  process.once('exit', killChild)
  try {
    if (child !== null) await streaming()
    await server.query(LOAD_STATEMENT)
    if (child !== null) await caughtUp()
    // What the shutdown would write for its checkpoint is the same in all cases: next to nothing.
    await server.query('CHECKPOINT')
    const exited = child === null ? null : once(child, 'exit')
    const start = performance.now()
    await server.stop('fast')
    const elapsedMs = performance.now() - start
    await exited
    await server.start()
    return elapsedMs
  } finally {
    killChild()
    process.off('exit', killChild)
    await rm(folder, { recursive: true })
  }
}

async function streaming(): Promise<void> {
  await waitFor('the receiver to stream', async () => {
    return (await server.value(`SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`)) === '1'
  })
}

/** Everything sent; what a receiver confirms by itself, and when, is its own affair. */
async function caughtUp(): Promise<void> {
  await waitFor('the receiver to catch up', async () => {
    return (
      (await server.value(
        'SELECT bool_and(sent_lsn >= pg_current_wal_flush_lsn()) FROM pg_stat_replication',
      )) === 'true'
    )
  })
}
