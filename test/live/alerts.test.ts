/**
 * Every alert of deploy/prometheus fires: a real walship in trouble, its metrics scraped by a real Prometheus, the
 * rules as they are but for their clock. What cannot be provoked here is said loudly.
 */
import { existsSync } from 'node:fs'
import { copyFile, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import type { Fleet, StatusSnapshot } from '../../src/status/index.js'
import { parseLsn, segmentFileName } from '../../src/wal/index.js'
import { ALERT_NAMES, freePort, HAVE_PROMETHEUS, hastened, Prometheus } from './prometheus.js'
import { ReceiverProcess } from './receiver-process.js'
import { canMount, smallDisk } from './small-disk.js'
import { testDirectory } from './test-directory.js'
import { keepNoWal, launchTestServer, MAJOR, SEGMENT_SIZE, switchSegment, writeWal } from './test-server.js'

const CAN_MOUNT = canMount()
if (!HAVE_PROMETHEUS)
  console.warn("!! NO PROMETHEUS: Debian's package is missing; alerts are only unit-tested, not provoked")
if (!CAN_MOUNT)
  console.warn('!! NO MOUNT: WalshipSpaceRunsOut is only unit-tested, a disk that fills cannot be had here')

const TEST_MS = 420_000
const FIRE_MS = 120_000

it('hastens every time in the rules, and nothing else', () => {
  const rule = 'expr: a_seconds{position="x"} > 300 and b > 4\n for: 5m [1h] [15m] 4 * 3600'
  expect(hastened(rule)).toBe('expr: a_seconds{position="x"} > 5 and b > 4\n for: 5s [60s] [15s] 4 * 60')
})

/** A line to a server that breaks when told to. */
class Line implements AsyncDisposable {
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()

  constructor(port: number) {
    this.#server = net.createServer((client) => {
      const upstream = net.connect(port, '127.0.0.1')
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => {
          this.#sockets.delete(socket)
          client.destroy()
          upstream.destroy()
        })
      }
      client.pipe(upstream).pipe(client)
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as net.AddressInfo).port
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

// Older servers do not say where a slot stands, so that no damage can be put before a receiver.
describe.skipIf(!HAVE_PROMETHEUS || MAJOR < 15)('alerts', { timeout: TEST_MS }, () => {
  let server: PostgresServer
  let dying: PostgresServer
  let forgetful: PostgresServer
  beforeAll(async () => {
    server = await launchTestServer()
    dying = await launchTestServer()
    forgetful = await launchTestServer({ settings: keepNoWal(MAJOR) })
  })
  afterAll(async () => {
    for (const each of [server, dying, forgetful]) await each?.[Symbol.asyncDispose]()
  })

  /** Turns a bit in a finished segment that the slot still keeps. */
  async function damage(slot: string): Promise<void> {
    await server.query('SELECT pg_create_physical_replication_slot($1, true)', [slot])
    const start = await switchSegment(server)
    await writeWal(server, 3 * SEGMENT_SIZE)
    const name = segmentFileName(1, start / BigInt(SEGMENT_SIZE) + 1n, SEGMENT_SIZE)
    const file = await open(join(server.walDirectory, name), 'r+')
    const at = SEGMENT_SIZE / 2 + 100
    const bytes = Buffer.alloc(1)
    await file.read(bytes, 0, 1, at)
    await file.write(Buffer.from([bytes[0]! ^ 4]), 0, 1, at)
    await file.close()
    await switchSegment(server)
  }

  it('fire for the cluster that is in trouble, each of them, and for no other', async () => {
    await damage('damaged')
    await server.query(`SELECT pg_create_physical_replication_slot('paused', true)`)
    await forgetful.query(`SELECT pg_create_physical_replication_slot('lost', true)`)
    // Somebody whom nobody scrapes.
    await server.query(`SELECT pg_create_physical_replication_slot('held', true)`)
    const holder = ReceiverProcess.walship(['-D', await testDirectory(), '-d', server.dsn, '-S', 'held'])
    onTestFinished(() => holder[Symbol.asyncDispose]())
    await holder.said(/"event":"streaming_started"/)
    await using line = new Line(server.port)
    const flapping = server.dsn.replace(/port=\d+/, `port=${await line.listen()}`)

    const home = await testDirectory()
    const space = CAN_MOUNT ? await smallDisk(64 * 1024 * 1024) : null
    const port = await freePort()
    const cluster = async (name: string, dsn: string, ...options: string[]) => {
      await mkdir(join(home, name, 'store'), { recursive: true })
      const directory = name === 'space' ? space! : join(home, name, 'wal')
      if (name !== 'failed') await mkdir(directory, { recursive: true })
      const store = `store: file://${join(home, name, 'store')}`
      const lines = [`directory: ${directory}`, `dbname: ${dsn}`, store, ...options]
      return `  ${name}:\n${lines.map((text) => `    ${text}\n`).join('')}`
    }
    const noRoom = 'min-free-space: 900000TB'
    const sections = [
      await cluster('well', server.dsn),
      await cluster('down', dying.dsn),
      await cluster('failed', server.dsn),
      await cluster('paused', server.dsn, noRoom, 'slot: paused'),
      await cluster('refused', server.dsn),
      await cluster('gap', server.dsn),
      await cluster('stuck', server.dsn),
      await cluster('lost', forgetful.dsn, noRoom, 'slot: lost'),
      await cluster('damaged', server.dsn, 'slot: damaged'),
      await cluster('flapping', flapping),
      await cluster('waiting', server.dsn, 'slot: held'),
      ...(CAN_MOUNT ? [await cluster('space', server.dsn, 'min-free-space: 8MB')] : []),
    ]
    const path = join(home, 'walship.yaml')
    await writeFile(path, `http: 127.0.0.1:${port}\nslot-check: 1\nclusters:\n${sections.join('')}`)

    const portOfSecond = await freePort()
    const second = async () => {
      const directory = join(home, 'second')
      await mkdir(directory, { recursive: true })
      const receiver = ReceiverProcess.walship([
        '-D',
        directory,
        '-d',
        server.dsn,
        '--http',
        String(portOfSecond),
      ])
      onTestFinished(() => receiver[Symbol.asyncDispose]())
      await receiver.said(/"event":"http_listening"/)
      return receiver
    }
    const receiver = ReceiverProcess.walship(['--config', path])
    onTestFinished(() => receiver[Symbol.asyncDispose]())
    await receiver.said(/"event":"http_listening"/)
    let other = await second()
    await using prometheus = await Prometheus.start([`127.0.0.1:${port}`, `127.0.0.1:${portOfSecond}`])
    const snapshot = async (name: string): Promise<StatusSnapshot> => {
      const fleet = (await (await fetch(`http://127.0.0.1:${port}/status.json`)).json()) as Fleet
      return fleet.clusters.find((each) => each.cluster === name)!
    }
    const is = (name: string, wanted: (snapshot: StatusSnapshot) => boolean) =>
      waitFor(`${name} to be as wanted`, async () => wanted(await snapshot(name)), FIRE_MS)
    const storeOf = (name: string) => join(home, name, 'store')
    /** A file in its place: not even the folder can be made again. */
    const breakStore = async (name: string) => {
      await rename(storeOf(name), `${storeOf(name)}.away`)
      await writeFile(storeOf(name), '')
    }
    const mendStore = async (name: string) => {
      await rm(storeOf(name))
      await rename(`${storeOf(name)}.away`, storeOf(name))
    }

    for (const name of [
      'well',
      'down',
      'refused',
      'gap',
      'stuck',
      'flapping',
      ...(CAN_MOUNT ? ['space'] : []),
    ])
      await is(name, ({ stream, archive }) => stream.state === 'streaming' && archive?.state === 'working')

    // A server that is gone, a directory that is not there, no room: these need no more.
    await dying.stop()
    await prometheus.hasFired('WalshipNotStreaming down', FIRE_MS)
    await prometheus.hasFired('WalshipFailed failed', FIRE_MS)
    await prometheus.hasFired('WalshipPaused paused', FIRE_MS)
    await prometheus.hasFired('WalshipLittleSpace paused', FIRE_MS)
    await prometheus.hasFired('WalshipWalDamaged damaged', FIRE_MS)
    await prometheus.hasFired('WalshipNobodyStreams waiting', FIRE_MS)

    // Other bytes under the name that comes next.
    await switchSegment(server)
    await writeWal(server, 1_200_000)
    const folder = join(storeOf('stuck'), 'wal', '00000001')
    const done = async () =>
      existsSync(folder) ? (await readdir(folder)).filter((name) => /^[0-9A-F]{24}\.lz4$/.test(name)) : []
    await waitFor('a segment in the archive', async () => (await done()).length > 0)
    const [some] = await done()
    const next = parseLsn(await server.value('SELECT pg_current_wal_flush_lsn()')) / BigInt(SEGMENT_SIZE) + 1n
    await copyFile(join(folder, some!), join(folder, `${segmentFileName(1, next, SEGMENT_SIZE)}.lz4`))

    // Stores that refuse, and one of them with a segment less when it is back.
    for (const name of ['refused', 'gap', ...(CAN_MOUNT ? ['space'] : [])]) await breakStore(name)
    await writeWal(server, 9_500_000)
    await prometheus.hasFired('WalshipStuckFiles stuck', FIRE_MS)
    await is('gap', ({ archive }) => (archive?.pendingSegments ?? 0) >= 8)
    const wal = join(home, 'gap', 'wal')
    const names = (await readdir(wal)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort()
    await rm(join(wal, names.at(-2)!))
    await mendStore('gap')
    await prometheus.hasFired('WalshipArchiveGap gap', FIRE_MS)
    await prometheus.hasFired('WalshipStoreFailing refused', FIRE_MS)
    await prometheus.hasFired('WalshipArchiveLag refused', FIRE_MS)
    await prometheus.hasFired('WalshipBacklog refused', FIRE_MS)
    await prometheus.hasFired('WalshipWrittenLag paused', FIRE_MS)

    // A disk that fills while the store refuses.
    if (CAN_MOUNT) {
      const filling = new AbortController()
      const fill = (async () => {
        while (!filling.signal.aborted && ((await snapshot('space')).directory.freeBytes ?? 0) > 12_000_000) {
          await writeWal(server, 500_000)
          await new Promise((resolve) => setTimeout(resolve, 1000))
        }
      })()
      await prometheus.hasFired('WalshipSpaceRunsOut space', FIRE_MS).finally(() => filling.abort())
      await fill
    }

    // The slot of a receiver that takes nothing, on a server that keeps little.
    await writeWal(forgetful, 4_000_000)
    await switchSegment(forgetful)
    await prometheus.hasFired('WalshipSlotInDanger lost', FIRE_MS)
    await forgetful.query('CHECKPOINT')
    await prometheus.hasFired('WalshipSlotLost lost', FIRE_MS)

    // A line that breaks again and again.
    for (let connects = 0; connects < 8; connects = (await snapshot('flapping')).counters.connects) {
      await is('flapping', ({ stream }) => stream.state === 'streaming')
      await writeWal(server, 50_000)
      await is('flapping', ({ positions }) => positions.written.lagBytes === 0)
      line.cut()
      await is('flapping', ({ stream }) => stream.state !== 'streaming')
    }
    await prometheus.hasFired('WalshipReconnects flapping', FIRE_MS)

    // The process: gone, and started again and again.
    await other.stop('SIGKILL')
    await prometheus.hasFired('WalshipDown', FIRE_MS)
    for (let starts = 0; starts < 4; starts += 1) {
      other = await second()
      await waitFor('it to be scraped', async () => {
        const text = await (await fetch(`http://127.0.0.1:${portOfSecond}/metrics`)).text()
        return Number(/^process_start_time_seconds (\S+)/m.exec(text)![1]) < Date.now() / 1000 - 2.5
      })
      await other.stop('SIGKILL')
    }
    await prometheus.hasFired('WalshipRestarts', FIRE_MS)

    const fired = await prometheus.fired()
    const missing = CAN_MOUNT ? [] : ['WalshipSpaceRunsOut']
    expect([...new Set([...fired].map((alert) => alert.split(' ')[0]!)), ...missing].sort()).toEqual(
      [...ALERT_NAMES].sort(),
    )
    // Eleven in trouble beside it, in one process.
    expect([...fired].filter((alert) => alert.endsWith(' well'))).toEqual([])
    expect((await snapshot('well')).verdict.level).toBe('safe')
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
  })
})
