/** WAL that is damaged when it arrives: by the way there, or at the server itself. */
import { once } from 'node:events'
import { mkdir, open, readFile } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { crashInRecord, prepareWorkload, runWorkload, workloadSettings } from '../../scripts/wal-workload.js'
import { readRecords } from '../../src/records/index.js'
import { openStore } from '../../src/store/index.js'
import { type Lsn, parseLsn, segmentFileName, segmentFloor, segmentStart } from '../../src/wal/index.js'
import { expectSameWal, namesIn } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import {
  createSlot,
  launchTestServer,
  MAJOR,
  SEGMENT_SIZE,
  slotLsn,
  switchSegment,
  writeWal,
} from './test-server.js'

const MARKER = 'a place that is easily found'

// Older servers do not say where a slot stands: a receiver begins at the server's position, behind the damage.
describe.skipIf(MAJOR < 15)(`damaged WAL from PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  let directory: string

  beforeEach(async () => {
    server = await launchTestServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    directory = await testDirectory()
    await createSlot(server, 'checked')
  })

  function args(...more: string[]): string[] {
    return ['-D', directory, '-S', 'checked', '-d', server.dsn, ...more]
  }

  /** Writes some segments and turns a bit in the second one, in the server's own file. */
  async function damageServer(): Promise<{ lsn: Lsn; segment: string; end: Lsn }> {
    const start = await switchSegment(server)
    const segment = segmentFileName(1, start / BigInt(SEGMENT_SIZE) + 1n, SEGMENT_SIZE)
    await writeWal(server, 4 * SEGMENT_SIZE)
    const end = await switchSegment(server)
    const path = join(server.walDirectory, segment)
    const bytes = await readFile(path)
    const from = segmentStart(start / BigInt(SEGMENT_SIZE) + 1n, SEGMENT_SIZE)
    const records = [...readRecords([{ lsn: from, bytes }], { segmentSize: SEGMENT_SIZE, timeline: 1 })]
    const record = records.find(({ lsn, totalLength }) => lsn > from + 100_000n && totalLength > 1000)!
    const file = await open(path, 'r+')
    const offset = Number(record.lsn - from) + 40
    await file.write(Buffer.from([bytes[offset]! ^ 4]), 0, 1, offset)
    await file.close()
    return { lsn: record.lsn, segment, end }
  }

  it('from the server itself is kept and told with --verify=warn, and noted with the object', async () => {
    const { segment, end } = await damageServer()
    const path = join(directory, 'archive')
    await mkdir(path)
    const receiver = ReceiverProcess.walship(
      args('-E', formatEnd(end), '--store', `file://${path}`, '--log-format', 'json'),
    )
    const { status, stderr } = await receiver.exit
    expect(status).toBe(0)
    expect(eventsOf(stderr, 'wal_')).toEqual(['wal_suspect', 'wal_damaged'])
    await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
    const store = await openStore(`file://${path}`)
    const noted = await store.head(`wal/00000001/${segment}.lz4`)
    expect(noted?.metadata['wal-check']).toMatch(/^checksum /)
    await store.close()
  })

  it('from the server itself is not acknowledged with --verify=stop', async () => {
    const { lsn } = await damageServer()
    const receiver = ReceiverProcess.walship(
      args('--verify', 'stop', '--synchronous', '--log-format', 'json'),
    )
    const { status, stderr } = await receiver.exit
    expect(status).toBe(1)
    expect(eventsOf(stderr, 'wal_')).toEqual(['wal_suspect', 'wal_damaged'])
    expect(stderr).toContain('RECEIVE_WAL_DAMAGED')
    expect(await slotLsn(server, 'checked')).toBeLessThanOrEqual(lsn)
    expect((await namesIn(directory)).length).toBeGreaterThan(0)
  })

  it('is not looked at with --verify=off', async () => {
    const { end } = await damageServer()
    const receiver = ReceiverProcess.walship(
      args('-E', formatEnd(end), '--verify', 'off', '--log-format', 'json'),
    )
    const { status, stderr } = await receiver.exit
    expect(status).toBe(0)
    expect(eventsOf(stderr, 'wal_')).toEqual([])
    await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
  })

  it.each(['warn', 'stop'])('from the way there is fetched again with --verify=%s', async (mode) => {
    await server.query(`SELECT pg_logical_emit_message(true, 'walship', $1)`, [MARKER])
    await writeWal(server, 2 * SEGMENT_SIZE)
    const end = await switchSegment(server)
    await using line = await BadLine.start(server.port)
    const dsn = server.dsn.replace(/port=\d+/, `port=${line.port}`)
    const receiver = ReceiverProcess.walship(
      args('-d', dsn, '-E', formatEnd(end), '--verify', mode, '--log-format', 'json'),
    )
    const { status, stderr } = await receiver.exit
    expect(status).toBe(0)
    expect(line.spoiled).toBe(1)
    expect(eventsOf(stderr, 'wal_')).toEqual(['wal_suspect', 'wal_healed'])
    await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
  })

  it('is never seen where a server only crashes, switches segments and is promoted', async () => {
    await server.configure(workloadSettings(MAJOR))
    await server.restart()
    await using receiver = ReceiverProcess.walship(
      args('--verify', 'stop', '--synchronous', '--log-format', 'json'),
    )
    await prepareWorkload(server)
    await runWorkload(server, 0, 1)
    for (const delayMs of [100, 300]) await crashInRecord(server, delayMs)
    await runWorkload(server, 1, 1)
    await server.stop()
    await server.recover({ restore_command: 'false' }, 'promotion')
    await server.start()
    await waitFor('the promotion', async () => (await server.value('SELECT pg_is_in_recovery()')) === 'false')
    await runWorkload(server, 2, 1)
    const end = await switchSegment(server)
    // The server was away several times, and waits between tries grow.
    await waitFor('all to be acknowledged', async () => (await slotLsn(server, 'checked')) >= end, 100_000)
    const { status, stderr } = await receiver.stop()
    expect(status).toBe(0)
    expect(eventsOf(stderr, 'wal_')).toEqual([])
    expect(eventsOf(stderr, 'timeline_switched')).toHaveLength(1)
    const from = parseLsn(/\t(\S+)\t/.exec(await readFile(join(directory, '00000002.history'), 'utf8'))![1]!)
    const range = { to: end, segmentSize: SEGMENT_SIZE, timeline: 2 }
    await expectSameWal(directory, server.walDirectory, { ...range, from: segmentFloor(from, SEGMENT_SIZE) })
  }, 200_000)

  it('does not keep a server from shutting down with --verify=stop', async () => {
    await using receiver = ReceiverProcess.walship(
      args('--verify', 'stop', '--synchronous', '--log-format', 'json'),
    )
    const end = await writeWal(server, SEGMENT_SIZE)
    await waitFor('all to be acknowledged', async () => (await slotLsn(server, 'checked')) >= end)
    await server.stop()
    await server.start()
    await receiver.stop()
  })
})

/** One byte before a position: the last thing that is received is the segment before. */
function formatEnd(end: Lsn): string {
  const last = end - 1n
  return `${(last >> 32n).toString(16)}/${(last & 0xffffffffn).toString(16)}`
}

function eventsOf(log: string, prefix: string): string[] {
  return log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line).event as string)
    .filter((event) => event?.startsWith(prefix))
}

/** A network that spoils the marker the first time it passes. */
class BadLine implements AsyncDisposable {
  spoiled = 0
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()

  private constructor(port: number) {
    this.#server = net.createServer((client) => {
      const upstream = net.connect(port, '127.0.0.1')
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket)
        socket.on('error', () => socket.destroy())
        socket.on('close', () => {
          client.destroy()
          upstream.destroy()
        })
      }
      client.pipe(upstream)
      upstream.on('data', (chunk) => {
        const at = this.spoiled === 0 ? chunk.indexOf(MARKER) : -1
        if (at >= 0) {
          this.spoiled++
          chunk[at]! ^= 0x20
        }
        client.write(chunk)
      })
    })
  }

  static async start(port: number): Promise<BadLine> {
    const line = new BadLine(port)
    line.#server.listen(0, '127.0.0.1')
    await once(line.#server, 'listening')
    return line
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}
