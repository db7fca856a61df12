/** A directory that cannot take what comes: nothing acknowledged is lost, and it goes on when it can. */
import { execFileSync } from 'node:child_process'
import { chmod, chown, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { unprivilegedUser } from '../../scripts/postgres-binaries.js'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { expectSameWal, namesIn } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { canMount, smallDisk } from './small-disk.js'
import { testDirectory } from './test-directory.js'
import {
  createSlot,
  launchTestServer,
  MAJOR,
  reported,
  SEGMENT_SIZE,
  slotLsn,
  streaming,
  writeWal,
} from './test-server.js'

const WAITING = /disconnected; waiting 5 seconds to try again/
const PROGRAMS = ['dropIn', 'walship'] as const

const mayMount = canMount()
if (!mayMount)
  console.warn('!! mounting is not possible: the full disk is played by a limit on file sizes only')
/** Who runs a receiver that may not do everything; null: we are such a user ourselves. */
const user = unprivilegedUser()
const asUser = user === null ? {} : { uid: user.uid, gid: user.gid }

describe(`a directory in trouble, PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  let directory: string

  beforeAll(async () => {
    server = await launchTestServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    await createSlot(server, 'disk')
    directory = await testDirectory()
  })

  function args(...more: string[]): string[] {
    return ['-D', directory, '-S', 'disk', '-d', server.dsn, ...more]
  }

  /** The disk failed in mid-stream: what the server was told is there. */
  async function expectAcknowledged(): Promise<void> {
    const to = await slotLsn(server, 'disk')
    await expectSameWal(directory, server.walDirectory, { to, segmentSize: SEGMENT_SIZE })
  }

  /** The trouble is over: everything written meanwhile comes by itself. */
  async function expectToGoOn(receiver: ReceiverProcess): Promise<void> {
    const end = await writeWal(server, SEGMENT_SIZE / 4)
    await reported(server, 'flush_lsn', end)
    await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
    expect((await receiver.stop()).status).toBe(0)
  }

  describe.runIf(mayMount)('on a full disk', () => {
    const ROOM = 9 * SEGMENT_SIZE
    const BALLAST = 5 * SEGMENT_SIZE

    it.each([
      ['dropIn', ['--synchronous'], 'none'],
      ['walship', ['--synchronous'], 'none'],
      ['walship', ['-s', '1'], 'none'],
      ['walship', ['--synchronous'], 'gzip'],
      ['walship', ['--synchronous'], 'lz4'],
    ] as const)('%s %s -Z %s', async (program, more, compression) => {
      directory = await smallDisk(ROOM)
      const ballast = join(directory, 'ballast')
      await writeFile(ballast, Buffer.alloc(BALLAST))
      await using receiver = ReceiverProcess[program](args(...more, '-Z', compression))
      await streaming(server)
      // Random digits: gzip makes them half as large, lz4 hardly smaller.
      const load = writeWal(server, (compression === 'gzip' ? 13 : 5.5) * SEGMENT_SIZE)
      await receiver.said(/No space left on device/)
      await receiver.said(program === 'dropIn' ? WAITING : /"event":"retrying"/)
      expect(receiver.stderr).toContain('free space in the target directory')
      await load
      await expectAcknowledged()
      await rm(ballast)
      if (more[0] !== '--synchronous') {
        await receiver.stop()
        await using again = ReceiverProcess.walship(args('--synchronous'))
        await expectToGoOn(again)
      } else await expectToGoOn(receiver)
    })
  })

  it('beyond the limit on file sizes, until that is raised', async () => {
    await using receiver = ReceiverProcess.walship(args('--synchronous'))
    await streaming(server)
    await reported(server, 'flush_lsn', await writeWal(server, SEGMENT_SIZE / 4))
    limitFileSize(receiver.pid, SEGMENT_SIZE / 2)
    const load = writeWal(server, 3 * SEGMENT_SIZE)
    await receiver.said(/File too large/)
    await receiver.said(/"event":"retrying"/)
    await load
    await expectAcknowledged()
    limitFileSize(receiver.pid, 'unlimited')
    await expectToGoOn(receiver)
  })

  it.each(PROGRAMS)('that vanishes and comes back (%s)', async (program) => {
    await using receiver = ReceiverProcess[program](args('--synchronous'))
    await streaming(server)
    await reported(server, 'flush_lsn', await writeWal(server, SEGMENT_SIZE * 1.5))
    const elsewhere = join(await testDirectory(), 'elsewhere')
    await rename(directory, elsewhere)
    const load = writeWal(server, 3 * SEGMENT_SIZE)
    await receiver.said(/No such file or directory/)
    await receiver.said(program === 'dropIn' ? WAITING : /"event":"retrying"/)
    expect(receiver.stderr).toContain('check that the target directory exists and that its volume is mounted')
    await load
    const to = await slotLsn(server, 'disk')
    await expectSameWal(elsewhere, server.walDirectory, { to, segmentSize: SEGMENT_SIZE })
    await rename(elsewhere, directory)
    await expectToGoOn(receiver)
  })

  describe.each(PROGRAMS)('that we may read but not write (%s)', (program) => {
    beforeEach(() => chmod(directory, 0o555))

    it('is tried again, until we may', async () => {
      await using receiver = ReceiverProcess[program](args('--synchronous'), asUser)
      const load = writeWal(server, SEGMENT_SIZE / 2)
      await receiver.said(/could not open write-ahead log file .*Permission denied/)
      await receiver.said(program === 'dropIn' ? WAITING : /"event":"retrying"/)
      expect(receiver.stderr).toContain('write access to the target directory')
      await load
      expect(await namesIn(directory)).toEqual([])
      await chmod(directory, 0o755)
      if (user !== null) await chown(directory, user.uid, user.gid)
      await expectToGoOn(receiver)
    })

    it('--no-loop ends with status 1', async () => {
      await using receiver = ReceiverProcess[program](args('--no-loop'), asUser)
      await writeWal(server, SEGMENT_SIZE / 2)
      const { status, stderr } = await receiver.exit
      expect(status).toBe(1)
      expect(stderr).toMatch(/could not open write-ahead log file .*Permission denied/)
      expect(await namesIn(directory)).toEqual([])
    })
  })

  it('of another user: a link called pg_receivewal on PATH works for him as it is', async () => {
    if (user !== null) await chown(directory, user.uid, user.gid)
    const links = await testDirectory()
    await chmod(links, 0o755)
    await symlink(
      fileURLToPath(new URL('../../bin/pg_receivewal', import.meta.url)),
      join(links, 'pg_receivewal'),
    )
    const PATH = `${links}:${process.env.PATH}`
    await using receiver = new ReceiverProcess('pg_receivewal', args('--synchronous', '-v'), {
      ...asUser,
      cwd: '/',
      env: { PATH },
    })
    await streaming(server)
    expect(await server.value('SELECT application_name FROM pg_stat_replication')).toBe('pg_receivewal')
    await expectToGoOn(receiver)
    expect(receiver.stderr).toMatch(/^pg_receivewal: starting log streaming at \S+ \(timeline 1\)$/m)
    for (const name of await namesIn(directory)) {
      const { uid, mode } = await stat(join(directory, name))
      expect([name, uid, mode & 0o777]).toEqual([name, user?.uid ?? process.getuid!(), 0o600])
    }
  })
})

describe.runIf(MAJOR >= 11)(`a PostgreSQL ${MAJOR} cluster that its group may read`, () => {
  it.each([[[]], [['-Z', 'gzip']]])(
    'gives files its group may read, whatever our umask is %s',
    async (more) => {
      await using server = await launchTestServer({ initdbArgs: ['-g'] })
      const directory = await testDirectory()
      const args = ['-D', directory, '--synchronous', '-d', server.dsn, ...more]
      await using receiver = ReceiverProcess.dropIn(args)
      await streaming(server)
      await reported(server, 'flush_lsn', await writeWal(server, SEGMENT_SIZE * 1.5))
      expect((await receiver.stop()).status).toBe(0)
      const names = await namesIn(directory)
      expect(names.length).toBeGreaterThan(1)
      for (const name of names) {
        expect([name, (await stat(join(directory, name))).mode & 0o777]).toEqual([name, 0o640])
      }
    },
  )
})

function limitFileSize(pid: number, limit: number | 'unlimited'): void {
  execFileSync('prlimit', [`--pid=${pid}`, `--fsize=${limit}:unlimited`])
}
