/**
 * The main job before your eyes: walship streams the WAL of a server under load, the server is killed in
 * mid-load and its disk is lost, and a new server is made from an old cold copy and what walship holds.
 * Exits with 0 only if every row whose commit was acknowledged is there. `--keep` keeps the folder.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CommitLoad } from './commit-load.js'
import { unprivilegedUser } from './postgres-binaries.js'
import { giveTo } from './postgres-copies.js'
import { PostgresServer } from './postgres-server.js'
import { waitFor } from './wait-for.js'

const WALSHIP = fileURLToPath(new URL('../bin/walship', import.meta.url))
const CLIENT_COUNT = 8
const LOAD_MS = 15_000
const PROGRESS_INTERVAL_MS = 500
const SEGMENT = /^[0-9A-F]{24}$/
const PARTIAL = /^([0-9A-F]{24})\.partial$/

const keep = process.argv.includes('--keep')
const terminal = process.stdout.isTTY === true
const folder = await mkdtemp(join(tmpdir(), 'walship-demo-'))
const archive = join(folder, 'archive')
const coldCopy = join(folder, 'cold-copy')
const walshipLog = join(folder, 'walship.log')
await mkdir(archive)
let walship: ChildProcess | undefined

process.on('exit', () => walship?.kill('SIGKILL'))
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143)))
}
try {
  process.exitCode = (await demo()) ? 0 : 1
} catch (error) {
  say(`\nthe demo broke off: ${error instanceof Error ? error.message : error}`)
  say(await readFile(walshipLog, 'utf8').catch(() => ''))
  process.exitCode = 1
} finally {
  await cleanUp()
}

async function demo(): Promise<boolean> {
  await using server = await PostgresServer.launch({ settings: { fsync: true } })
  say(`1  PostgreSQL ${await server.value('SHOW server_version')} runs, with fsync on`)

  await CommitLoad.prepare(server)
  await server.query(`SELECT pg_create_physical_replication_slot('walship', true)`)
  await server.stop()
  await server.coldCopy(coldCopy)
  await server.configure({ synchronous_standby_names: 'walship_demo' })
  await server.start()
  say('2  it has been copied while it was stopped; from now on only its WAL is saved')

  walship = startWalship(server)
  await waitFor('walship to be the synchronous standby', async () => {
    if (walship?.exitCode !== null) throw new Error(`walship ended with ${walship?.exitCode}`)
    return (await standbyStatus(server))?.sync_state === 'sync'
  })
  say(
    `3  walship receives it: a commit is acknowledged when walship has it on disk; ${CLIENT_COUNT} clients commit`,
  )
  const load = await CommitLoad.start(server, CLIENT_COUNT)
  await showProgress(server, load)

  await server.kill()
  await load.stop()
  await rm(server.dataDirectory, { recursive: true })
  say(
    `4  SIGKILL for the server in mid-load, after ${load.acknowledged} acknowledged commits; its disk is erased`,
  )

  await stopWalship()
  const { segments, partial } = await listArchive()
  await using successor = await recoverFromArchive()
  say(
    `5  a new server has recovered from the copy, ${segments.length} received segments and ${partial}.partial`,
  )

  const { present, missing } = await load.compareWith(successor)
  say(`6  ${load.acknowledged} rows were acknowledged, ${present} are there, ${missing} are missing`)
  say(missing === 0 ? '   nothing acknowledged was lost' : '   ACKNOWLEDGED ROWS WERE LOST')
  return missing === 0 && load.acknowledged > 0
}

function startWalship(server: PostgresServer): ChildProcess {
  const log = openSync(walshipLog, 'a')
  const connection = `${server.dsn} application_name=walship_demo`
  const args = ['receive', '-D', archive, '-S', 'walship', '--synchronous', '-d', connection]
  try {
    return spawn(WALSHIP, args, { stdio: ['ignore', log, log] })
  } finally {
    closeSync(log)
  }
}

async function stopWalship(): Promise<void> {
  if (walship === undefined || walship.exitCode !== null || walship.signalCode !== null) return
  const exited = once(walship, 'exit')
  walship.kill('SIGINT')
  await exited
}

interface StandbyStatus {
  sync_state: string
  flush_lsn: string | null
  flushed: string | null
  lag: string | null
}

async function standbyStatus(server: PostgresServer): Promise<StandbyStatus | undefined> {
  const [row] = await server.query<StandbyStatus>(`
    SELECT sync_state, flush_lsn::text, flush_lsn - '0/0'::pg_lsn AS flushed,
           pg_current_wal_flush_lsn() - flush_lsn AS lag
    FROM pg_stat_replication WHERE application_name = 'walship_demo'`)
  return row
}

async function showProgress(server: PostgresServer, load: CommitLoad): Promise<void> {
  const start = Date.now()
  let before = { time: start, flushed: Number((await standbyStatus(server))?.flushed) }
  while (Date.now() - start < LOAD_MS) {
    await sleep(PROGRESS_INTERVAL_MS)
    const status = await standbyStatus(server)
    const now = { time: Date.now(), flushed: Number(status?.flushed) }
    const rate = (now.flushed - before.flushed) / 1000 / (now.time - before.time)
    const { segments } = await listArchive()
    const lag = Number(status?.lag) / 1000
    showLine(
      `   segments ${segments.length} | flushed to ${status?.flush_lsn} | ${rate.toFixed(1)} MB/s | ` +
        `lag ${lag.toFixed(1)} kB | ${load.acknowledged} commits acknowledged`,
    )
    before = now
  }
  if (terminal) say('')
}

async function listArchive(): Promise<{ segments: string[]; partial: string | undefined }> {
  const names = (await readdir(archive)).sort()
  const partials = names.flatMap((name) => PARTIAL.exec(name)?.[1] ?? [])
  return { segments: names.filter((name) => SEGMENT.test(name)), partial: partials.at(-1) }
}

/** Archive recovery; the open `.partial` serves under its final name, as if its segment had been finished. */
async function recoverFromArchive(): Promise<PostgresServer> {
  const restore = join(folder, 'restore')
  await mkdir(restore)
  for (const name of await readdir(archive)) {
    await copyFile(join(archive, name), join(restore, name.replace(/\.partial$/, '')))
  }
  await giveTo(unprivilegedUser(), folder)
  const successor = await PostgresServer.create({
    dataDirectory: coldCopy,
    settings: { fsync: true },
  })
  await successor.recover({ restore_command: `cp "${restore}/%f" "%p"` }, 'promotion')
  await successor.start()
  await waitFor(
    'the end of recovery',
    async () => (await successor.value('SELECT pg_is_in_recovery()')) === 'false',
  )
  return successor
}

async function cleanUp(): Promise<void> {
  await stopWalship()
  if (keep) say(`kept: ${folder}`)
  else await rm(folder, { recursive: true, force: true })
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** On a terminal the line is written over and over; elsewhere each one is kept. */
function showLine(text: string): void {
  process.stdout.write(terminal ? `\r\x1b[K${text}` : `${text}\n`)
}
