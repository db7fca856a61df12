import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer, StopMode } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { parseLsn } from '../../src/wal/index.js'
import { expectSameWal, namesIn } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import { launchTestServer, MAJOR, reported, SEGMENT_SIZE, streaming, writeWal } from './test-server.js'

/** A receiver that holds up a shutdown does so until wal_sender_timeout, a minute; without one it takes a moment. */
const SHUTDOWN_LIMIT_MS = 20_000
const CRASH_COUNT = 3

describe(`the end of a PostgreSQL ${MAJOR} server`, () => {
  let server: PostgresServer
  let directory: string

  beforeEach(async () => {
    server = await launchTestServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    await server.query(`SELECT pg_create_physical_replication_slot('shutdown', true)`)
    directory = await testDirectory()
  })

  function args(...more: string[]): string[] {
    return ['-D', directory, '-S', 'shutdown', '-d', server.dsn, ...more]
  }

  describe.each([[[]], [['--synchronous']], [['-Z', 'gzip']]])('receiver %s', (more) => {
    it.each<StopMode>(['smart', 'fast'])(
      '%s shutdown: is not held up, and every byte is received',
      async (mode) => {
        await using receiver = ReceiverProcess.dropIn(args('--no-loop', ...more))
        await streaming(server)
        await writeWal(server, SEGMENT_SIZE * 1.5)
        await server.stop(mode, SHUTDOWN_LIMIT_MS)
        const { status, stderr } = await receiver.exit
        expect(status).toBe(1)
        expect(stderr).toContain(
          'pg_receivewal: error: replication stream was terminated before stop point\n',
        )
        expect(stderr).toMatch(/pg_receivewal: error: disconnected\n$/)
        await server.start()
        const checkpoint = parseLsn(await server.value('SELECT checkpoint_lsn FROM pg_control_checkpoint()'))
        await expectSameWal(directory, server.walDirectory, { to: checkpoint, segmentSize: SEGMENT_SIZE })
      },
    )
  })

  it('immediate shutdown: says what libpq says', async () => {
    await using receiver = ReceiverProcess.dropIn(args('--no-loop'))
    await streaming(server)
    await writeWal(server, SEGMENT_SIZE)
    await server.stop('immediate', SHUTDOWN_LIMIT_MS)
    const { status, stderr } = await receiver.exit
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /pg_receivewal: error: (could not receive data from WAL stream|unexpected termination)/,
    )
    expect(stderr).toMatch(/pg_receivewal: error: disconnected\n$/)
  })

  it('comes back by itself when the server is there again, on the same files', async () => {
    await using receiver = ReceiverProcess.walship(args('--synchronous'))
    await streaming(server)
    await writeWal(server, SEGMENT_SIZE / 2)
    await server.restart('fast')
    const end = await writeWal(server, SEGMENT_SIZE)
    await reported(server, 'flush_lsn', end)
    await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
  })

  it('SIGKILL of the server under load, again and again: the files go on without gap or difference', async () => {
    await using receiver = ReceiverProcess.walship(args('--synchronous'))
    await streaming(server)
    for (let crash = 0; crash < CRASH_COUNT; crash++) {
      const load = writeWal(server, 100 * SEGMENT_SIZE).catch(() => undefined)
      const count = (await namesIn(directory)).length
      await waitFor('two more segments', async () => (await namesIn(directory)).length >= count + 2)
      await server.kill()
      await load
      await server.start()
    }
    const end = await writeWal(server, SEGMENT_SIZE)
    await reported(server, 'flush_lsn', end)
    await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
  })
})
