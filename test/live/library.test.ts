/** The library against a real server: streams, from their starts to each of their ends. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import {
  formatLsn,
  type Lsn,
  lsnAdd,
  type PhysicalReplicationConnection,
  parseLsn,
  ReplicationEnded,
  type ReplicationMessage,
  SlotActiveError,
  segmentFileName,
  segmentFloor,
  UsageError,
  WalRemovedError,
} from '../../src/index.js'
import { connectTo, currentLsn, currentSegment, expectServersBytes, readTo } from './read-messages.js'
import { keepNoWal, launchTestServer, MAJOR, SEGMENT_SIZE, switchSegment, writeWal } from './test-server.js'

describe(`streams of the library and PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  let connection: PhysicalReplicationConnection

  beforeAll(async () => {
    server = await launchTestServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    connection = await connectTo(server.dsn)
  })

  it('from a given position: the bytes of pg_wal, read on long after they came', async () => {
    const start = await currentSegment(server)
    expect(await connection.startReplication({ startLsn: start })).toEqual({
      kind: 'streaming',
      startLsn: start,
      timeline: null,
    })
    const messages = await readTo(await writeWal(server, 3 * SEGMENT_SIZE), connection)
    expect(messages[0]!.dataStart).toBe(start)
    await expectServersBytes(messages, server)
    expect(connection.receivedLsn).toBe(messages.at(-1)!.dataEnd)
  })

  it("without a position: the segment of the server's, on its timeline", async () => {
    const now = await currentLsn(server)
    const started = await connection.startReplication()
    expect(started).toMatchObject({ kind: 'streaming', timeline: 1 })
    const { startLsn } = started as { startLsn: Lsn }
    expect(startLsn).toBe(segmentFloor(startLsn, SEGMENT_SIZE))
    expect(startLsn).toBeGreaterThanOrEqual(segmentFloor(now, SEGMENT_SIZE))
    const messages = await readTo(await writeWal(server, 64 * 1024), connection)
    expect(messages[0]!.dataStart).toBe(startLsn)
  })

  it("without a position, with a slot: the segment of the slot's, where the server can tell it", async () => {
    await server.query('CHECKPOINT')
    const other = await connectTo(server.dsn)
    await other.createReplicationSlot('older', { reserveWal: true })
    onTestFinished(async () => {
      await connection.close()
      await other.dropReplicationSlot('older', MAJOR >= 11 ? { wait: true } : {})
    })
    const position = `SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'older'`
    const restart = parseLsn(await server.value(position))
    await writeWal(server, 2 * SEGMENT_SIZE)
    const now = await currentSegment(server)
    const started = await connection.startReplication({ slotName: 'older' })
    const expected = MAJOR >= 15 ? segmentFloor(restart, SEGMENT_SIZE) : now
    expect(started).toEqual({ kind: 'streaming', startLsn: expected, timeline: 1 })
    await expectServersBytes(await readTo(await currentLsn(server), connection), server)

    // While it streams nobody else may; the error names who does.
    const error = await other.startReplication({ slotName: 'older', startLsn: now }).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(SlotActiveError)
    expect(error).toMatchObject({ pid: connection.backendPid, retryable: true, sqlState: '55006' })
    expect(await other.show('port')).toBe(String(server.port))
  })

  it('as an async iterator, left early: the connection takes commands and streams again', async () => {
    const start = await currentSegment(server)
    const end = await writeWal(server, SEGMENT_SIZE)
    const messages: ReplicationMessage[] = []
    await connection.startReplication({ startLsn: start, timeline: 1 })
    await expect(connection.show('port')).rejects.toThrow(UsageError)
    for await (const message of connection) {
      messages.push(message)
      if (message.dataEnd >= end) break
    }
    expect(connection.endOfStream).toEqual({ reason: 'client' })
    expect(await connection.show('port')).toBe(String(server.port))
    await expectServersBytes(messages, server)
    expect(await connection.startReplication({ startLsn: start, timeline: 1 })).toMatchObject({
      kind: 'streaming',
    })
    await readTo(end, connection)
    expect(await connection.stopReplication()).toEqual({ reason: 'client' })
    expect(await connection.identifySystem()).toMatchObject({ timeline: 1 })
  })

  it('feedback shows in pg_stat_replication, and moves the slot', async () => {
    await connection.createReplicationSlot('fed', { reserveWal: true })
    onTestFinished(async () => {
      await connection.stopReplication()
      await connection.dropReplicationSlot('fed')
    })
    await connection.startReplication({ slotName: 'fed', startLsn: await currentSegment(server) })
    const end = (await readTo(await writeWal(server, 64 * 1024), connection)).at(-1)!.dataEnd
    const flushLsn = lsnAdd(end, -100)
    connection.sendFeedback({ writeLsn: end, flushLsn, applyLsn: lsnAdd(end, -200), force: true })
    const seen = `SELECT write_lsn::text, flush_lsn::text, replay_lsn::text FROM pg_stat_replication WHERE pid = $1`
    await waitFor('the positions', async () => {
      const [row] = await server.query<Record<string, string>>(seen, [connection.backendPid])
      return row?.write_lsn === formatLsn(end) && row
    }).then((row) => {
      const [flush, replay] = [formatLsn(flushLsn), formatLsn(lsnAdd(end, -200))]
      expect(row).toEqual({ write_lsn: formatLsn(end), flush_lsn: flush, replay_lsn: replay })
    })
    const slot = `SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'fed'`
    expect(parseLsn(await server.value(slot))).toBe(flushLsn)
    expect(() => connection.sendFeedback({ flushLsn: lsnAdd(end, 1 << 30) })).toThrow(UsageError)
  })

  it('a missing slot, an unknown timeline, a position ahead: an error, and the connection goes on', async () => {
    const startLsn = await currentSegment(server)
    await expect(connection.startReplication({ slotName: 'nope', startLsn })).rejects.toMatchObject({
      sqlState: '42704',
      retryable: false,
    })
    await expect(connection.startReplication({ startLsn, timeline: 9 })).rejects.toMatchObject({
      sqlState: 'XX000',
    })
    await connection.startReplication({ startLsn: lsnAdd(startLsn, 2 ** 40) })
    await expect(connection.readReplicationMessage()).rejects.toMatchObject({
      sqlState: 'XX000',
      fatal: false,
    })
    expect(await connection.show('port')).toBe(String(server.port))
  })

  it('ends with a value when the server shuts down', async () => {
    const own = await launchTestServer()
    onTestFinished(() => own[Symbol.asyncDispose]())
    const attached = await connectTo(own.dsn)
    await attached.startReplication({ startLsn: await currentSegment(own) })
    await readTo(await currentLsn(own), attached)
    const stopped = own.stop('fast')
    for await (const message of attached) attached.sendFeedback({ writeLsn: message.dataEnd, force: true })
    await stopped
    expect(attached.endOfStream).toEqual({ reason: 'server-shutdown' })
    await expect(attached.readReplicationMessage()).rejects.toThrow(ReplicationEnded)
  })
})

describe(`WAL that PostgreSQL ${MAJOR} has removed`, () => {
  it('is an error of the first read, and the connection goes on', async () => {
    const server = await launchTestServer({ settings: keepNoWal(MAJOR) })
    onTestFinished(() => server[Symbol.asyncDispose]())
    const connection = await connectTo(server.dsn)
    const startLsn = segmentFloor((await connection.identifySystem()).xlogPos, SEGMENT_SIZE)
    const name = segmentFileName(1, startLsn / BigInt(SEGMENT_SIZE), SEGMENT_SIZE)
    await waitFor('the WAL to be removed', async () => {
      await switchSegment(server)
      await server.query('CHECKPOINT')
      return (await server.query('SELECT 1 FROM pg_ls_waldir() WHERE name = $1', [name])).length === 0
    })
    expect(await connection.startReplication({ startLsn, timeline: 1 })).toMatchObject({ kind: 'streaming' })
    const error = await connection.readReplicationMessage().catch((thrown) => thrown)
    expect(error).toBeInstanceOf(WalRemovedError)
    expect(error).toMatchObject({ code: 'PG_WAL_REMOVED', retryable: false, fatal: false })
    expect(error.message).toContain(name)
    expect(await connection.identifySystem()).toMatchObject({ timeline: 1 })
  })
})
