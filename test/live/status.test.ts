import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { SlotWatch } from '../../src/cli/slot-watch.js'
import type { SlotFacts } from '../../src/status/index.js'
import { ReceiverProcess } from './receiver-process.js'
import { metrics, snapshotOf, urlOf } from './status-window.js'
import { testDirectory } from './test-directory.js'
import {
  createSlot,
  keepNoWal,
  launchTestServer,
  MAJOR,
  streaming,
  switchSegment,
  writeWal,
} from './test-server.js'

const SLOT = 'status_test'
/** After an outage uploads come back with their next try, which may be half a minute away. */
const OUTAGE_MS = 90_000
const TEST_MS = 240_000

async function metricIs(url: string, name: string, wanted: (value: number) => boolean): Promise<void> {
  await waitFor(
    `${name} to be as wanted`,
    async () => {
      const value = (await metrics(url)).get(name)
      return value !== undefined && wanted(value)
    },
    OUTAGE_MS,
  )
}

describe('walship receive --http', { timeout: TEST_MS }, () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await launchTestServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  async function receive(...options: string[]) {
    const directory = await testDirectory()
    const store = join(await testDirectory(), 'store')
    await mkdir(store)
    const receiver = ReceiverProcess.walship([
      ...['-D', directory, '-d', server.dsn, '--store', `file://${store}`, '--http', '127.0.0.1:0'],
      ...options,
    ])
    onTestFinished(() => receiver[Symbol.asyncDispose]())
    return { receiver, directory, store, url: await urlOf(receiver) }
  }

  it('tells that all is well, and is ready', async () => {
    await createSlot(server, SLOT)
    const { url, receiver } = await receive('-S', SLOT, '--slot-check', '1')
    await writeWal(server, 3_000_000)
    await metricIs(url, 'walship_possible_loss_bytes{lost="both"}', (value) => value === 0)
    await metricIs(url, 'walship_segments_archived_total', (value) => value > 0)
    const told = await metrics(url)
    expect(told.get('walship_streaming')).toBe(1)
    expect(told.get('walship_ready')).toBe(1)
    expect(told.get('walship_archive_gaps')).toBe(0)
    await metricIs(url, 'walship_received_bytes_total', (value) => value > 2_500_000)
    // The end of the last whole record: of what was written last that is everything.
    await metricIs(url, 'walship_lag_bytes{position="verified"}', (value) => value === 0)
    expect(told.get('walship_damaged_wal_total')).toBe(0)
    expect((await fetch(`${url}readyz`)).status).toBe(200)
    if (MAJOR >= 13) await metricIs(url, 'walship_slot_wal_status{status="reserved"}', (value) => value === 1)
    await metricIs(url, 'walship_slot_active', (value) => value === 1)
    const snapshot = await snapshotOf(url)
    expect(snapshot).toMatchObject({ verdict: { level: 'safe' }, slot: { name: SLOT, unknown: null } })
    expect(snapshot.coverage?.window?.bytes).toBeGreaterThan(2_500_000)

    const shown = await ReceiverProcess.command(['status', '--url', url]).exit
    expect(shown).toMatchObject({ status: 0, stdout: expect.stringContaining('SAFE: ') })
    const asJson = await ReceiverProcess.command(['status', '--url', url, '--json']).exit
    expect(JSON.parse(asJson.stdout)).toMatchObject({ formatVersion: 1, source: 'running' })
    await receiver.stop()
  })

  it('tells of a store that is down, of the backlog, and of its return', async () => {
    const { url, store } = await receive('--slot-check', '0')
    await streaming(server)
    await metricIs(url, 'walship_archive_failing', (value) => value === 0)
    await waitFor('the archive to be there', async () => existsSync(join(store, 'cluster.json')))
    await rename(store, `${store}.away`)
    // A file in its place: not even the folder can be made again.
    await writeFile(store, '')
    await writeWal(server, 3_000_000)
    await metricIs(url, 'walship_archive_failing', (value) => value === 1)
    await metricIs(url, 'walship_archive_pending_segments', (value) => value > 0)
    await metricIs(url, 'walship_lag_seconds{position="archived"}', (value) => value > 1)
    await metricIs(url, 'walship_archive_oldest_pending_age_seconds', (value) => value > 0)
    await metricIs(url, 'walship_upload_failures_total', (value) => value > 0)
    const snapshot = await snapshotOf(url)
    expect(snapshot.verdict.reasons.map(({ code }) => code)).toContain('store-failing')
    expect(snapshot.archive?.lastError?.message).toBeTruthy()
    expect(snapshot.loss.both.bytes).toBeGreaterThan(2_000_000)
    await rm(store)
    await rename(`${store}.away`, store)
    await metricIs(url, 'walship_archive_failing', (value) => value === 0)
    await metricIs(url, 'walship_possible_loss_bytes{lost="both"}', (value) => value === 0)
  })

  it('tells of a hole: a segment that is neither here nor there', async () => {
    const { url, store, directory } = await receive('--slot-check', '0')
    await streaming(server)
    await writeWal(server, 1_200_000)
    await waitFor('the archive to be there', async () => existsSync(join(store, 'wal')))
    await rename(store, `${store}.away`)
    await writeFile(store, '')
    // More than are under way at once, so that the missing one is not in memory already.
    await writeWal(server, 9_500_000)
    await metricIs(url, 'walship_archive_pending_segments', (value) => value >= 8)
    const names = (await readdir(directory)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort()
    await rm(join(directory, names.at(-2)!))
    await rm(store)
    await rename(`${store}.away`, store)
    await metricIs(url, 'walship_archive_gaps', (value) => value === 1)
    expect((await snapshotOf(url)).verdict).toMatchObject({ level: 'danger', ready: true })
    const atRest = await ReceiverProcess.command(['status', '-D', directory, '--store', `file://${store}`])
      .exit
    expect(atRest).toMatchObject({
      status: 3,
      stdout: expect.stringContaining('IN DANGER: the archive has a hole'),
    })
  })

  it('tells of files that are stuck', async () => {
    const { url, store } = await receive('--slot-check', '0')
    await streaming(server)
    await metricIs(url, 'walship_archive_stuck_files', (value) => value === 0)
    const start = await switchSegment(server)
    await writeWal(server, 100_000)
    await metricIs(url, 'walship_position_lsn_bytes{position="archived"}', (value) => value > Number(start))
    // Other bytes under the name that comes next.
    const folder = join(store, 'wal', '00000001')
    const done = (await readdir(folder)).filter((name) => !name.startsWith('.')).sort()
    const last = done.findLast((name) => /^[0-9A-F]{24}\.lz4$/.test(name))!
    const open = BigInt(`0x${last.slice(8, 24)}`)
    const next = `00000001${(open + 2n).toString(16).toUpperCase().padStart(16, '0')}.lz4`
    await copyFile(join(folder, last), join(folder, next))
    await switchSegment(server)
    await writeWal(server, 1000)
    await switchSegment(server)
    await writeWal(server, 1000)
    await metricIs(url, 'walship_archive_stuck_files', (value) => value >= 1)
  })

  it('knows no verified position with --verify=off', async () => {
    const { url } = await receive('--slot-check', '0', '--verify', 'off')
    await writeWal(server, 100_000)
    await metricIs(url, 'walship_lag_bytes{position="written"}', (value) => value === 0)
    expect((await metrics(url)).has('walship_lag_bytes{position="verified"}')).toBe(false)
  })

  it('tells that there is no room', async () => {
    const { url } = await receive('--slot-check', '0', '--min-free-space', '900000TB')
    await metricIs(url, 'walship_paused', (value) => value === 1)
    const told = await metrics(url)
    expect(told.get('walship_streaming')).toBe(0)
    expect(told.get('walship_directory_min_free_bytes')).toBe(900_000 * 1024 ** 4)
    await metricIs(url, 'walship_directory_free_bytes', (value) => value > 0)
    expect((await fetch(`${url}readyz`)).status).toBe(503)
  })

  it('counts connections, and tells when there is none', async () => {
    const { url } = await receive('--slot-check', '0')
    await streaming(server)
    await metricIs(url, 'walship_connects_total', (value) => value === 1)
    await server.query('SELECT pg_terminate_backend(pid) FROM pg_stat_replication')
    await metricIs(url, 'walship_stream_failures_total', (value) => value >= 1)
    await metricIs(url, 'walship_connects_total', (value) => value === 2)
    await metricIs(url, 'walship_streaming', (value) => value === 1)
    await server.stop()
    try {
      await metricIs(url, 'walship_streaming', (value) => value === 0)
      expect((await snapshotOf(url)).verdict).toMatchObject({ level: 'danger', ready: false })
      const shown = await ReceiverProcess.command(['status', '--url', url]).exit
      expect(shown).toMatchObject({ status: 3, stdout: expect.stringContaining('IN DANGER: not streaming') })
    } finally {
      await server.start()
    }
  })

  it('receives on when its address is taken', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void taken.close())
    const { port } = taken.address() as { port: number }
    const directory = await testDirectory()
    await using receiver = ReceiverProcess.walship([
      '-D',
      directory,
      '-d',
      server.dsn,
      '--http',
      String(port),
    ])
    await receiver.said(/"event":"http_failed"/)
    await streaming(server)
    expect(await receiver.stop()).toMatchObject({ status: 0 })
  })

  it('asks for a token, and its status command has one', async () => {
    const directory = await testDirectory()
    const file = join(directory, 'token')
    await writeFile(file, 'hush\n')
    const wal = await testDirectory()
    await using receiver = ReceiverProcess.walship([
      ...['-D', wal, '-d', server.dsn, '--http', '127.0.0.1:0', '--http-token-file', file],
    ])
    const url = await urlOf(receiver)
    expect((await fetch(`${url}metrics`)).status).toBe(401)
    expect((await fetch(`${url}healthz`)).status).toBe(200)
    expect(await ReceiverProcess.command(['status', '--url', url]).exit).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('it wants a token'),
    })
    expect(
      await ReceiverProcess.command(['status', '--url', url, '--http-token-file', file, '--json']).exit,
    ).toMatchObject({ stderr: '', stdout: expect.stringContaining('"formatVersion":1') })
    expect(receiver.stderr).not.toContain('hush')
  })

  it('calls the heartbeat URL while it is ready', async () => {
    let calls = 0
    const listener = createServer((_request, response) => {
      calls += 1
      response.end()
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void listener.close())
    const { port } = listener.address() as { port: number }
    await using receiver = ReceiverProcess.walship(['-D', await testDirectory(), '-d', server.dsn], {
      env: { WALSHIP_HEARTBEAT_URL: `http://127.0.0.1:${port}/secret` },
    })
    await waitFor('a call', async () => calls > 0)
    await receiver.stop()
    expect(receiver.stderr).not.toContain('secret')
  })
})

describe.skipIf(MAJOR < 13)('the slot', () => {
  async function watch(server: PostgresServer, dsn: string) {
    const unknown: string[] = []
    const statuses: SlotFacts['walStatus'][] = []
    const slot = new SlotWatch({
      slotName: SLOT,
      connection: { dsn, environment: {} },
      intervalMs: 200,
      onServerPosition: () => {},
      onWalStatus: (status) => statuses.push(status),
      onUnknown: (reason) => unknown.push(reason),
    })
    slot.start()
    onTestFinished(() => slot.close())
    return { slot, unknown, statuses, server }
  }

  it('is watched until it is lost', async () => {
    await using server = await launchTestServer({ settings: keepNoWal(MAJOR) })
    await server.query('SELECT pg_create_physical_replication_slot($1, true)', [SLOT])
    const { slot, statuses } = await watch(server, `${server.dsn} dbname=postgres`)
    await waitFor('the slot to be seen', async () => slot.facts.walStatus === 'reserved')
    expect(slot.facts.safeWalBytes).toBeGreaterThan(0)
    await writeWal(server, 4_000_000)
    await switchSegment(server)
    await waitFor('danger', async () => slot.facts.walStatus === 'unreserved')
    await server.query('CHECKPOINT')
    await waitFor('the loss', async () => slot.facts.walStatus === 'lost')
    expect(statuses).toEqual(expect.arrayContaining(['reserved', 'unreserved', 'lost']))
  })

  it('is unknown, with the reason, where the server refuses us', async () => {
    await using server = await launchTestServer({
      hba: 'local replication all trust\nhost replication all 127.0.0.1/32 trust\nlocal all all reject\nhost all all all reject\n',
    })
    const { slot, unknown } = await watch(server, `${server.dsn} dbname=postgres`)
    await waitFor('the reason', async () => unknown.length > 0)
    expect(unknown[0]).toContain('pg_hba.conf')
    expect(slot.facts).toMatchObject({ walStatus: null, unknown: unknown[0] })
  })
})
