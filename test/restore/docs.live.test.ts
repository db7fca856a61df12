/** docs/restore.md, run as it is written: the fenced shell commands, by the server's user, with values for its variables. */
import { execFile, execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { installedPostgres, unprivilegedUser } from '../../scripts/postgres-binaries.js'
import { giveTo } from '../../scripts/postgres-copies.js'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { keepAllWal } from '../live/test-server.js'
import { LiveArchive, programCanRun } from './live-archive.js'

/** The recipes take pg_basebackup, psql and pg_ctl, which come with a distribution's server. */
const MAJOR = 15
const binaries = installedPostgres(MAJOR)
if (binaries === null) console.warn(`!! PostgreSQL ${MAJOR} is not installed: docs/restore.md IS NOT RUN`)

const DOCS = fileURLToPath(new URL('../../docs/restore.md', import.meta.url))
const PROGRAMS = fileURLToPath(new URL('../../bin', import.meta.url))
const VARIABLES = ['PGDATA', 'PGPORT', 'BACKUP', 'STORE', 'TARGET_TIME', 'PRIMARY']

/** All commands under one heading word, such as `pitr` in ```sh pitr, in their order and without indentation. */
async function recipe(name: string): Promise<string> {
  const text = await readFile(DOCS, 'utf8')
  const blocks = [...text.matchAll(/^( *)```sh (\S+)\n([\s\S]*?)^ *```$/gm)]
  const found = blocks.filter(([, , of]) => of === name)
  if (found.length === 0) throw new Error(`docs/restore.md has no commands for ${name}`)
  return found.map(([, indent, , body]) => body!.replaceAll(new RegExp(`^${indent}`, 'gm'), '')).join('')
}

function asUser(): { uid?: number; gid?: number } {
  const user = unprivilegedUser()
  return user === null ? {} : { uid: user.uid, gid: user.gid }
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}

describe.skipIf(binaries === null || !programCanRun)('docs/restore.md', () => {
  let primary: PostgresServer
  let archive: LiveArchive
  let environment: Record<string, string>

  beforeEach(async () => {
    primary = await PostgresServer.launch({
      binaries: binaries!,
      segmentSizeMb: 1,
      settings: keepAllWal(MAJOR),
    })
    onTestFinished(() => primary[Symbol.asyncDispose]())
    archive = await LiveArchive.for(primary)
    const folder = await mkdtemp(join(tmpdir(), 'walship-docs-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    await mkdir(join(folder, 'home'))
    await giveTo(unprivilegedUser(), folder)
    environment = {
      PATH: [binaries!.bin, PROGRAMS, dirname(process.execPath), process.env.PATH].join(delimiter),
      HOME: join(folder, 'home'),
      LC_ALL: 'C',
      PGHOST: '127.0.0.1',
      PGUSER: primary.user,
      PGDATA: join(folder, 'data'),
      PGPORT: String(await freePort()),
      BACKUP: join(folder, 'base'),
      STORE: archive.url,
      PRIMARY: `host=127.0.0.1 port=${primary.port} user=${primary.user}`,
    }
    onTestFinished(() => stop())
    await primary.query('CREATE TABLE t (n int)')
    await run('backup', { PGPORT: String(primary.port) })
    await chmod(environment.BACKUP!, 0o700)
  })

  async function run(name: string, variables: Record<string, string> = {}): Promise<string> {
    return shell(await recipe(name), variables)
  }

  async function shell(script: string, variables: Record<string, string> = {}): Promise<string> {
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: dirname(environment.PGDATA!),
      env: { ...environment, ...variables },
      timeout: 60_000,
      ...asUser(),
    })
    return stdout
  }

  function stop(): void {
    const args = ['-D', environment.PGDATA!, '-m', 'immediate', 'stop']
    try {
      execFileSync(join(binaries!.bin, 'pg_ctl'), args, { stdio: 'ignore', ...asUser() })
    } catch {
      // It is not running.
    }
  }

  /** One value from the server that the recipe has started. */
  async function value(sql: string): Promise<string> {
    const args = ['-d', 'postgres', '-AtXc', sql]
    return (await promisify(execFile)(join(binaries!.bin, 'psql'), args, { env: environment })).stdout.trim()
  }

  async function commitRows(count: number): Promise<void> {
    for (let number = 0; number < count; number++) await primary.query('INSERT INTO t VALUES (1)')
    await archive.ship(primary)
  }

  it('sets exactly the variables that its recipes take', async () => {
    const names = [...(await recipe('settings')).matchAll(/^export (\w+)=/gm)].map(([, name]) => name)
    expect(names).toEqual(VARIABLES)
  })

  it('recovers to a point in time', async () => {
    await commitRows(3)
    const TARGET_TIME = await primary.value('SELECT clock_timestamp()::text')
    await commitRows(4)
    await primary.stop()
    await run('pitr', { TARGET_TIME })
    expect(await value('SELECT count(*) FROM t')).toBe('3')
    expect(await value('SELECT timeline_id FROM pg_control_checkpoint()')).toBe('2')
    expect(await readFile(join(environment.PGDATA!, 'postgresql.auto.conf'), 'utf8')).not.toContain(
      'recovery_target',
    )
  })

  it('seeds a standby, which then streams', async () => {
    await commitRows(3)
    expect(await run('seeded')).toContain('t\n')
    await primary.query('INSERT INTO t VALUES (2)')
    await waitFor('the row to arrive', async () => (await value('SELECT count(*) FROM t')) === '4')
    expect(await value('SELECT status FROM pg_stat_wal_receiver')).toBe('streaming')
    expect(await readFile(join(environment.PGDATA!, 'log'), 'utf8')).toContain('from archive')
  })

  it('runs a standby from the archive alone, and promotes it', async () => {
    await commitRows(3)
    const [follow, promote] = (await recipe('archive-only')).split(/(?=^pg_ctl .* promote$)/m)
    expect(promote).toContain('promote')
    await shell(follow!)
    await commitRows(5)
    await waitFor('the rows to arrive', async () => (await value('SELECT count(*) FROM t')) === '8')
    await primary.stop('immediate')
    expect(await shell(promote!)).toMatch(/^f$/m)
    expect(await value('SELECT count(*) FROM t')).toBe('8')
  })
})
