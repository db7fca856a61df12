/** A server that says nothing any more and does not close the line either, as behind a dead network. */
import { expect, it, onTestFinished } from 'vitest'
import { waitFor } from '../../scripts/wait-for.js'
import { parseCompression, type ReceiveEvent, Receiver } from '../../src/index.js'
import { expectSameWal } from './received-wal.js'
import { testDirectory } from './test-directory.js'
import { launchTestServer, MAJOR, reported, SEGMENT_SIZE, streaming, writeWal } from './test-server.js'

const PING_TIMEOUT_MS = 300

it(`PostgreSQL ${MAJOR} gone quiet: is asked for a sign of life, given up, and found again`, async () => {
  await using server = await launchTestServer()
  await server.query(`SELECT pg_create_physical_replication_slot('silence', true)`)
  const directory = await testDirectory()
  const events: ReceiveEvent[] = []
  const receiver = new Receiver({
    connection: { dsn: server.dsn },
    directory,
    slotName: 'silence',
    synchronous: true,
    durable: true,
    statusIntervalMs: 10_000,
    pingTimeoutMs: PING_TIMEOUT_MS,
    compression: parseCompression('none'),
    retry: { initial: false, everything: false, delayMs: () => 50 },
    newestServerMajor: MAJOR,
    onEvent: (event) => events.push(event),
  })
  const stop = new AbortController()
  const running = receiver.run(stop.signal)
  onTestFinished(async () => {
    stop.abort()
    await running.catch(() => undefined)
  })
  const codes = () => events.flatMap((event) => (event.kind === 'error' ? [event.error.code] : []))

  await streaming(server)
  await reported(server, 'flush_lsn', await writeWal(server, SEGMENT_SIZE / 2))
  const walsender = Number(await server.value('SELECT pid FROM pg_stat_replication'))
  process.kill(walsender, 'SIGSTOP')
  try {
    await waitFor('the silent server to be given up', () => codes().includes('PG_SERVER_SILENT'))
    // The stopped process still holds the slot, and that passes too.
    await waitFor('the slot to be found busy', () => codes().includes('PG_SLOT_ACTIVE'))
  } finally {
    process.kill(walsender, 'SIGCONT')
  }
  const end = await writeWal(server, SEGMENT_SIZE)
  await reported(server, 'flush_lsn', end)
  await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
  expect(receiver.progress.flushed).toBeGreaterThanOrEqual(end)
  const silent = events.find((event) => event.kind === 'error' && event.error.code === 'PG_SERVER_SILENT')
  expect(silent).toMatchObject({
    error: {
      message: expect.stringMatching(
        /^could not receive data from WAL stream: no sign of life from the server/,
      ),
      hint: 'the server or the network between is gone without a word',
      retryable: true,
    },
  })
  stop.abort()
  expect(await running).toEqual({ reason: 'aborted' })
})
