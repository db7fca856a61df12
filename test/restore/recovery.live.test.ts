import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { PostgresServer, type Settings } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { parseLsn, segmentFileName, segmentFloor } from '../../src/wal/index.js'
import { launchTestServer, switchSegment } from '../live/test-server.js'
import { asServerUser, LiveArchive, MAJOR, programCanRun, SEGMENT_SIZE } from './live-archive.js'

let primary: PostgresServer
let archive: LiveArchive
/** The primary as it was before it wrote anything that counts. */
let copy: string

beforeEach(async () => {
  primary = await launchTestServer()
  onTestFinished(() => primary[Symbol.asyncDispose]())
  await primary.query('CREATE TABLE t (n int, filler text)')
  await primary.stop()
  const folder = await mkdtemp(join(tmpdir(), 'walship-copy-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  copy = join(folder, 'data')
  await primary.coldCopy(copy)
  await primary.start()
  archive = await LiveArchive.for(primary)
})

/** Commits rows, with about so many segments of WAL. */
async function commitRows(count: number, segments = 0, server = primary): Promise<void> {
  const client = await server.connect()
  try {
    const bytes = Math.ceil((segments * SEGMENT_SIZE) / count)
    for (let number = 0; number < count; number++) {
      // Random, so that it is not compressed away.
      const filler = `(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, ${Math.ceil(bytes / 32)}))`
      await client.query(`INSERT INTO t VALUES (1, ${bytes === 0 ? 'NULL' : filler})`)
    }
  } finally {
    await client.end()
  }
}

function rows(server: PostgresServer): Promise<string> {
  return server.value('SELECT count(*) FROM t')
}

/** A server on the copy that recovers from the archive. It is not started. */
async function restored(
  until: 'standby' | 'promotion',
  command = archive.command('--retry-for', '0'),
  settings: Settings = {},
): Promise<PostgresServer> {
  const server = await PostgresServer.create({ major: MAJOR, dataDirectory: copy })
  onTestFinished(() => server[Symbol.asyncDispose]())
  // What the copy still holds of its own must come from the archive like all else.
  await server.recover({ restore_command: command, ...settings }, until)
  return server
}

async function untilPromoted(server: PostgresServer): Promise<void> {
  await waitFor(
    'the end of recovery',
    async () => (await server.value('SELECT pg_is_in_recovery()')) === 'false',
    60_000,
  )
}

/** Starts a server and waits until it has ended with this in its log. */
async function startAndFail(server: PostgresServer, text: RegExp): Promise<void> {
  // It may accept connections for a moment before it meets the trouble.
  await server.start().catch(() => undefined)
  await waitFor(`${text} in the log`, async () => text.test(await server.log()))
  await server.kill()
}

describe.skipIf(!programCanRun)(`recovery of PostgreSQL ${MAJOR} from an archive`, () => {
  it('reaches the last archived commit, with 20 and more segments fetched ahead', async () => {
    await commitRows(200, 24)
    await archive.ship(primary)
    await commitRows(50)
    await archive.ship(primary)
    const expected = await rows(primary)
    await primary.kill()

    const server = await restored('promotion')
    await server.start()
    await untilPromoted(server)
    expect(await rows(server)).toBe(expected)
    const log = await server.log()
    expect(log.match(/restored log file "[0-9A-F]{24}" from archive/g)!.length).toBeGreaterThan(20)
    expect(log).not.toContain('walship: error')

    const parent = join(server.walDirectory, 'walship-fetch')
    const spool = join(parent, (await readdir(parent))[0]!)
    await waitFor('the prefetcher to end', async () => !(await readdir(spool)).includes('prefetch.lock'))
    const left = await readdir(spool)
    expect(left).not.toContain('prefetch.error')
    expect(left.filter((name) => /^[0-9A-F]{24}/.test(name) && !name.includes('.tail'))).toEqual([])
    expect((await readdir(server.walDirectory)).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('stops when the store cannot be read, and goes on when it can again', async () => {
    await commitRows(20, 6)
    const end = await archive.ship(primary)
    const expected = await rows(primary)
    await primary.kill()
    const third = segmentFileName(1, end / BigInt(SEGMENT_SIZE) - 3n, SEGMENT_SIZE)
    const object = await archive.objectFile(third)
    await chmod(object, 0)

    const server = await restored('promotion')
    await startAndFail(
      server,
      new RegExp(`FATAL: +could not restore file "${third}" from archive: .*exit code 200`),
    )
    expect(await server.log()).toMatch(/walship: error: .*\nwalship: hint: /)
    await startAndFail(server, new RegExp(`(could not restore file "${third}"[^]*){2}`))
    expect(await server.log()).not.toContain('archive recovery complete')

    await chmod(object, 0o600)
    await server.start()
    await untilPromoted(server)
    expect(await rows(server)).toBe(expected)
  })

  it.each(['standby', 'promotion'] as const)(
    'does not begin from the archive of another cluster (%s)',
    async (until) => {
      const other = await launchTestServer()
      onTestFinished(() => other[Symbol.asyncDispose]())
      const foreign = await LiveArchive.for(other)
      await foreign.ship(other)
      await primary.kill()
      const server = await restored(until, foreign.command('--retry-for', '0'))
      await startAndFail(server, /FATAL: +could not restore file .* exit code 200/)
      expect(await server.log()).toMatch(/walship: error: the archive at .* is that of another cluster/)
    },
  )

  it('follows a promotion to the second timeline', async () => {
    await commitRows(20, 3)
    const standby = await primary.createStandby()
    onTestFinished(() => standby[Symbol.asyncDispose]())
    await commitRows(20, 2)
    const end = await archive.ship(primary)
    await waitFor('the standby to catch up', async () => {
      return parseLsn(await standby.value('SELECT pg_last_wal_replay_lsn()')) >= end
    })
    await primary.kill()
    await standby.promote()
    await commitRows(20, 3, standby)
    // A checkpoint puts the new timeline into the control file, where the archive looks for it.
    await standby.query('CHECKPOINT')
    await archive.ship(standby)
    const expected = await rows(standby)

    const server = await restored(
      'promotion',
      undefined,
      MAJOR >= 12 ? {} : { recovery_target_timeline: 'latest' },
    )
    await server.start()
    await untilPromoted(server)
    expect(await rows(server)).toBe(expected)
  })

  it('ends a left timeline where it was left', async () => {
    await commitRows(20, 2)
    const end = await archive.ship(primary)
    const start = segmentFloor(end, SEGMENT_SIZE)
    const name = segmentFileName(1, end / BigInt(SEGMENT_SIZE), SEGMENT_SIZE)
    const expected = await rows(primary)
    await primary.kill()
    // What remains of the open segment when the timeline is left.
    const partial = Buffer.alloc(SEGMENT_SIZE)
    ;(await readFile(join(primary.walDirectory, name))).copy(partial, 0, 0, Number(end - start))
    await asServerUser(async () => {
      await archive.archive.putSegment(`${name}.partial`, partial)
      await archive.archive.deleteTail(1, end / BigInt(SEGMENT_SIZE))
    })

    const server = await restored('promotion')
    await server.start()
    await untilPromoted(server)
    expect(await rows(server)).toBe(expected)
  })
})

describe.skipIf(!programCanRun)(`a PostgreSQL ${MAJOR} standby that has only an archive`, () => {
  it('follows the open segment part by part, and into the next segments', async () => {
    await commitRows(5, 1.5)
    await archive.ship(primary)
    const standby = await restored('standby', undefined, { wal_retrieve_retry_interval: '100ms' })
    await standby.start()
    for (let round = 1; round <= 6; round++) {
      await commitRows(round)
      if (round % 3 === 0) await switchSegment(primary)
      await archive.ship(primary)
      const expected = await rows(primary)
      await waitFor(`the standby to have ${expected} rows`, async () => (await rows(standby)) === expected)
    }
    expect(await standby.value('SELECT pg_is_in_recovery()')).toBe('true')
    expect(await standby.log()).not.toContain('walship: error')

    await standby.promote()
    expect(await rows(standby)).toBe(await rows(primary))
  })
})
