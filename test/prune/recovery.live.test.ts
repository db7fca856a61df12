/** An archive of two timelines with real base backups is pruned; what is kept recovers, and what is not does not. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { installedPostgres, unprivilegedUser } from '../../scripts/postgres-binaries.js'
import { giveTo } from '../../scripts/postgres-copies.js'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { putIndexes } from '../inspect/stored-indexes.js'
import { ReceiverProcess } from '../live/receiver-process.js'
import { keepAllWal, SEGMENT_SIZE, switchSegment, writeWal } from '../live/test-server.js'
import { LiveArchive, programCanRun } from '../restore/live-archive.js'

/** pg_basebackup comes with a distribution's server. */
const MAJOR = 15
const binaries = installedPostgres(MAJOR)
if (binaries === null)
  console.warn(`!! PostgreSQL ${MAJOR} is not installed: NO PRUNED ARCHIVE IS RECOVERED FROM`)

interface Backup {
  readonly path: string
  readonly rows: number
}

describe.skipIf(binaries === null || !programCanRun)('walship prune and recovery', () => {
  it('keeps what the kept backups need, over a promotion', { timeout: 180_000 }, async () => {
    const primary = await PostgresServer.launch({
      binaries: binaries!,
      segmentSizeMb: SEGMENT_SIZE / 1024 / 1024,
      settings: keepAllWal(MAJOR),
    })
    onTestFinished(() => primary[Symbol.asyncDispose]())
    const archive = await LiveArchive.for(primary)
    let rows = 0
    const work = async (server: PostgresServer) => {
      await server.query('INSERT INTO t VALUES (1)')
      rows++
      await writeWal(server, 2 * SEGMENT_SIZE)
      await switchSegment(server)
      await archive.ship(server)
    }
    await primary.query('CREATE TABLE t (n int)')
    await work(primary)
    const a = await baseBackup(primary, rows)
    await work(primary)
    const b = await baseBackup(primary, rows)
    await work(primary)
    const standby = await primary.createStandby()
    onTestFinished(() => standby[Symbol.asyncDispose]())
    await work(primary)
    await caughtUp(primary, standby)
    await standby.promote()
    await primary.kill()
    await work(standby)
    const c = await baseBackup(standby, rows)
    await work(standby)
    await standby.query('INSERT INTO t VALUES (1)')
    rows++
    await archive.ship(standby)
    await putIndexes(archive.archive, SEGMENT_SIZE)
    const names = () => segmentsOf(archive)
    const before = await names()

    const three = ['--backup', a.path, '--backup', join(b.path, 'backup_manifest'), '--backup', c.path]
    const dry = await run(['--store', archive.url, ...three, '--keep-backups', '2', '--json'])
    expect(dry.status, dry.stderr).toBe(0)
    const shown = JSON.parse(dry.stdout)
    expect(shown.backups).toHaveLength(2)
    expect(shown.goes.length).toBeGreaterThan(2)
    expect(await names()).toEqual(before)

    const applied = await run(['--store', archive.url, ...three, '--keep-backups', '2', '--apply'])
    expect([applied.status, applied.stderr]).toEqual([0, ''])
    expect(applied.stdout).toMatch(/^removed \d+ files, /m)
    const after = await names()
    const gone = shown.goes.map(({ name }: { name: string }) => name)
    expect(after).toEqual(before.filter((name) => !gone.includes(name)))
    expect(await indexesOf(archive)).toEqual(
      (await indexesOf(archive)).filter((name) => after.includes(name)),
    )
    const verified = await ReceiverProcess.command(['verify', '--store', archive.url]).exit
    expect([verified.status, verified.stdout]).toEqual([0, expect.anything()])

    expect(await recoveredRows(b, archive)).toBe(rows)
    expect(await recoveredRows(c, archive)).toBe(rows)
    // It would need what is gone, and what it has ends before it is consistent.
    const old = await start(a, archive)
    await waitFor('the old backup to fail', async () =>
      /recovery ended before|could not locate|requested timeline|FATAL/.test(await old.log()),
    )

    // The label alone says the same, without where the backup ended.
    const label = await run(['--store', archive.url, '--backup', join(c.path, 'backup_label'), '--apply'])
    expect([label.status, label.stderr]).toEqual([0, ''])
    const left = await names()
    expect(left.length).toBeLessThan(after.length)
    expect(left.every((name) => name.startsWith('00000002'))).toBe(true)
    expect(await readdir(join(archive.folder, 'history'))).toEqual(['00000002.history'])
    expect(await recoveredRows(c, archive)).toBe(rows)

    const again = await run(['--store', archive.url, '--backup', c.path, '--apply'])
    expect(again.stdout).toContain('nothing is to go')
  })
})

function run(args: readonly string[]) {
  return ReceiverProcess.command(['prune', ...args]).exit
}

async function segmentsOf(archive: LiveArchive): Promise<string[]> {
  const names: string[] = []
  for (const timeline of [1, 2])
    for await (const name of archive.archive.listSegments(timeline)) names.push(name)
  return names
}

async function indexesOf(archive: LiveArchive): Promise<string[]> {
  const folders = ['00000001', '00000002'].map((name) => join(archive.folder, 'index/1', name))
  const names = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))
  return names.flat().map((name) => name.slice(0, 24))
}

async function baseBackup(server: PostgresServer, rows: number): Promise<Backup> {
  const folder = await mkdtemp(join(tmpdir(), 'walship-base-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'data')
  await promisify(execFile)(join(binaries!.bin, 'pg_basebackup'), [
    ...['-D', path, '-X', 'none', '-c', 'fast', '--no-sync', '-d', server.dsn],
  ])
  expect(await readFile(join(path, 'backup_manifest'), 'utf8')).toContain('WAL-Ranges')
  await giveTo(unprivilegedUser(), folder)
  return { path, rows }
}

async function caughtUp(primary: PostgresServer, standby: PostgresServer): Promise<void> {
  const end = await primary.value('SELECT pg_current_wal_flush_lsn()')
  await waitFor('the standby to catch up', async () => {
    return (await standby.value(`SELECT pg_last_wal_replay_lsn() >= '${end}'::pg_lsn`)) === 'true'
  })
}

/** A server on a copy of the backup that recovers from the archive. */
async function start(backup: Backup, archive: LiveArchive): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'walship-copy-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const dataDirectory = join(folder, 'data')
  await promisify(execFile)('cp', ['-a', backup.path, dataDirectory])
  await giveTo(unprivilegedUser(), folder)
  const server = await PostgresServer.create({ binaries: binaries!, dataDirectory })
  onTestFinished(() => server[Symbol.asyncDispose]())
  await server.recover({ restore_command: archive.command('--retry-for', '0') }, 'promotion')
  await server.start().catch(() => undefined)
  return server
}

async function recoveredRows(backup: Backup, archive: LiveArchive): Promise<number> {
  const server = await start(backup, archive)
  await waitFor(
    'the end of recovery',
    async () => {
      return (await server.value('SELECT pg_is_in_recovery()')) === 'false'
    },
    60_000,
  )
  const rows = Number(await server.value('SELECT count(*) FROM t'))
  await server.kill()
  return rows
}
