/** Two receivers for one slot, or for one directory: one works, the other waits in silence and takes over. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { expectSameWal } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { metrics, snapshotOf, urlOf } from './status-window.js'
import { testDirectory } from './test-directory.js'
import {
  createSlot,
  launchTestServer,
  MAJOR,
  reported,
  SEGMENT_SIZE,
  streaming,
  writeWal,
} from './test-server.js'

const SLOT = 'shared'
/** A few looks of one that waits. */
const SEVERAL_LOOKS_MS = 4000

describe(`two receivers of PostgreSQL ${MAJOR}`, { timeout: 120_000 }, () => {
  let server: PostgresServer

  beforeAll(async () => {
    server = await launchTestServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  function receive(directory: string, ...options: string[]): ReceiverProcess {
    const receiver = ReceiverProcess.walship([
      ...['-D', directory, '-S', SLOT, '--synchronous', '--http', '127.0.0.1:0', '-d', server.dsn],
      ...options,
    ])
    onTestFinished(() => receiver[Symbol.asyncDispose]())
    return receiver
  }

  const lines = (receiver: ReceiverProcess, event: string) =>
    receiver.stderr.split('\n').filter((line) => line.includes(`"event":"${event}"`))

  async function writeAndReceive(directory: string): Promise<void> {
    const end = await writeWal(server, 1.5 * SEGMENT_SIZE)
    await reported(server, 'flush_lsn', end)
    await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
  }

  const refusals = async () => (await server.log()).split(`slot "${SLOT}" is active for PID`).length - 1

  it('wait for one slot: the waiting one says so once, is ready, and takes over from a dead one', async () => {
    await createSlot(server, SLOT)
    const first = receive(await testDirectory())
    await first.said(/"event":"streaming_started"/)
    const refusedBefore = await refusals()
    const directory = await testDirectory()
    const second = receive(directory)
    await second.said(/"event":"standing_by"/)
    const url = await urlOf(second)
    await waitFor(
      'several looks',
      () => new Promise((done) => setTimeout(() => done(true), SEVERAL_LOOKS_MS)),
    )
    expect(lines(second, 'standing_by')).toHaveLength(1)
    expect(second.stderr).toContain(`standing by: another receiver streams from slot \\"${SLOT}\\" (process `)
    for (const event of ['streaming_started', 'attempt_failed', 'retrying'])
      expect(lines(second, event)).toEqual([])
    // The first answer was a refusal; after that it only looks.
    expect((await refusals()) - refusedBefore).toBe(1)

    const ready = await fetch(`${url}readyz`)
    expect([ready.status, await ready.text()]).toEqual([
      200,
      expect.stringMatching(/^standby\nanother receiver streams/),
    ])
    const told = await metrics(url)
    expect([told.get('walship_standby'), told.get('walship_streaming'), told.get('walship_ready')]).toEqual([
      1, 0, 1,
    ])
    expect([...told.keys()].filter((name) => /lag_|loss_/.test(name))).toEqual([])
    expect(await snapshotOf(url)).toMatchObject({
      verdict: { level: 'unknown', ready: true, headline: expect.stringMatching(/^standing by: /) },
      stream: { state: 'standby' },
    })

    await first.stop('SIGKILL')
    await second.said(/"event":"streaming_started"/)
    await writeAndReceive(directory)
    expect((await metrics(url)).get('walship_standby')).toBe(0)
    expect(lines(second, 'standing_by')).toHaveLength(1)
    expect((await second.stop('SIGTERM')).status).toBe(0)
  })

  it('wait for one slot without a right to look: by asking, and with one line all the same', async () => {
    // The test itself comes by the database it is let into, receivers look in another.
    const hba = join(server.dataDirectory, 'pg_hba.conf')
    const letsAllIn = await readFile(hba, 'utf8')
    await server.writeHba('host replication all all trust\nhost postgres all all trust\n')
    await server.query('SELECT pg_reload_conf()')
    onTestFinished(async () => {
      await server.writeHba(letsAllIn)
      await server.query('SELECT pg_reload_conf()')
    })
    await createSlot(server, SLOT)
    const args = (directory: string) => [
      '-D',
      directory,
      '-S',
      SLOT,
      '--synchronous',
      '-d',
      `${server.dsn} dbname=template1`,
    ]
    await using first = ReceiverProcess.walship(args(await testDirectory()))
    await first.said(/"event":"streaming_started"/)
    const directory = await testDirectory()
    await using second = ReceiverProcess.walship(args(directory))
    await second.said(/"event":"standing_by"/)
    const refusedBefore = await refusals()
    await waitFor('the server to be asked again', async () => (await refusals()) > refusedBefore + 1, 30_000)
    expect(lines(second, 'standing_by')).toHaveLength(1)
    expect(lines(second, 'streaming_started')).toEqual([])
    expect(lines(second, 'attempt_failed')).toEqual([])
    await first.stop('SIGKILL')
    await second.said(/"event":"streaming_started"/)
    await writeAndReceive(directory)
    await second.stop()
  })

  it('one that hangs loses the slot, and waits for it when it is back', async ({ skip }) => {
    skip(MAJOR < 12, 'before server 12 only its configuration sets wal_sender_timeout')
    await createSlot(server, SLOT)
    const patience = ['-d', `${server.dsn} options='-c wal_sender_timeout=2s'`]
    const firstDirectory = await testDirectory()
    const first = receive(firstDirectory, ...patience)
    await first.said(/"event":"streaming_started"/)
    await writeAndReceive(firstDirectory)
    const directory = await testDirectory()
    const second = receive(directory, ...patience)
    await second.said(/"event":"standing_by"/)
    first.signal('SIGSTOP')
    await second.said(/"event":"streaming_started"/)
    await writeAndReceive(directory)
    first.signal('SIGCONT')
    await first.said(/"event":"standing_by"/)
    await writeAndReceive(directory)
    expect(lines(second, 'streaming_started')).toHaveLength(1)
    // And back again.
    expect((await second.stop('SIGTERM')).status).toBe(0)
    await first.said(/"event":"standing_by"[\s\S]*"event":"streaming_started"/)
    await writeAndReceive(firstDirectory)
    await first.stop()
  })

  it('with one directory: the second touches nothing before the first is gone', async () => {
    await createSlot(server, SLOT)
    const directory = await testDirectory()
    const first = receive(directory)
    await first.said(/"event":"streaming_started"/)
    await writeAndReceive(directory)
    const second = receive(directory)
    await second.said(/"event":"standing_by"/)
    expect(second.stderr).toMatch(
      new RegExp(`another receiver writes into directory .* \\(process ${first.pid} on `),
    )
    expect(await (await fetch(`${await urlOf(second)}readyz`)).text()).toMatch(/^standby\n/)
    await using third = ReceiverProcess.walship(['-D', directory, '-d', server.dsn, '--no-loop'])
    expect((await third.exit).status).toBe(1)
    expect(third.stderr).toContain('"code":"DIRECTORY_IN_USE"')

    await writeAndReceive(directory)
    await first.stop('SIGKILL')
    await second.said(/"event":"streaming_started"/)
    await writeAndReceive(directory)
    expect(lines(second, 'standing_by').length).toBeLessThanOrEqual(2)
    expect((await second.stop('SIGTERM')).status).toBe(0)
  })

  it('without flock: says that the directory is not locked, and receives', async () => {
    const directory = await testDirectory()
    const bin = await testDirectory()
    await using receiver = new ReceiverProcess(
      process.execPath,
      [new URL('../../bin/walship', import.meta.url).pathname, 'receive', '-D', directory, '-d', server.dsn],
      { env: { PATH: bin } },
    )
    await receiver.said(/"code":"DIRECTORY_NOT_LOCKED"/)
    await receiver.said(/"event":"streaming_started"/)
    await streaming(server)
    expect((await receiver.stop()).status).toBe(0)
  })
})
