/** psycopg2's own tests of replication, and its documented behaviour, against a real server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import {
  connect,
  formatLsn,
  PgError,
  PhysicalReplicationConnection,
  parseLsn,
  REPLICATION_LOGICAL,
  REPLICATION_PHYSICAL,
  type ReplicationMessage,
  ServerError,
  StopReplication,
  UsageError,
} from '../../src/index.js'
import {
  confirmed,
  confirmedLsn,
  connectLogical,
  dropWhenFree,
  insert,
  launchLogicalServer,
  makeSlot,
} from './logical-servers.js'
import { currentSegment } from './read-messages.js'
import { MAJOR } from './test-server.js'

describe(`as psycopg2, with PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await launchLogicalServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  it('a physical connection runs IDENTIFY_SYSTEM, with session options too', async () => {
    for (const options of ['', '-cdatestyle=german']) {
      await using connection = await connect({
        dsn: server.dsn,
        options,
        connectionFactory: PhysicalReplicationConnection,
      })
      expect(connection.replicationType).toBe(REPLICATION_PHYSICAL)
      using cursor = connection.cursor()
      await cursor.execute('IDENTIFY_SYSTEM')
      const row = cursor.fetchOne()
      expect(row).toHaveLength(4)
      expect(row?.[3]).toBeNull()
      expect(cursor.fetchOne()).toBeNull()
    }
  })

  it('a logical connection runs IDENTIFY_SYSTEM and SQL', async () => {
    const connection = await connectLogical({ dsn: server.dsn, database: 'postgres' })
    expect(connection.replicationType).toBe(REPLICATION_LOGICAL)
    using cursor = connection.cursor()
    await cursor.execute('IDENTIFY_SYSTEM')
    expect(cursor.fetchAll()[0]?.[3]).toBe('postgres')
    await cursor.execute('SELECT generate_series(1, 3)')
    expect(cursor.fetchAll()).toEqual([[1], [2], [3]])
    expect(cursor.rowCount).toBe(3)
  })

  it('a slot that is made gives its consistent point, as a value and as a row; twice is an error', async () => {
    const connection = await connectLogical({ dsn: server.dsn })
    const cursor = connection.cursor()
    const slot = await cursor.createReplicationSlot('twice', { outputPlugin: 'test_decoding' })
    expect(slot).toMatchObject({ slotName: 'twice', outputPlugin: 'test_decoding', created: true })
    expect(formatLsn(slot.consistentPoint)).toBe(await confirmedLsn(server, 'twice'))
    const row = cursor.fetchOne()
    expect(row?.slice(0, 2)).toEqual(['twice', formatLsn(slot.consistentPoint)])
    const error = await cursor
      .createReplicationSlot('twice', { outputPlugin: 'test_decoding' })
      .catch((e) => e)
    expect(error).toBeInstanceOf(ServerError)
    expect(error).toMatchObject({ sqlState: '42710', message: expect.stringContaining('already exists') })
    await cursor.dropReplicationSlot('twice')
    await expect(cursor.dropReplicationSlot('twice')).rejects.toMatchObject({ sqlState: '42704' })
    await cursor.dropReplicationSlot('twice', { ifExists: true })
  })

  it('a missing slot is an error of the start; then it is made and streamed from on the same connection', async () => {
    const connection = await connectLogical({ dsn: server.dsn })
    const cursor = connection.cursor()
    const refused = await cursor.startReplication({ slotName: 'later' }).catch((error) => error)
    expect(refused).toMatchObject({ sqlState: '42704' })
    expect(refused).toBeInstanceOf(PgError)
    await cursor.createReplicationSlot('later', { outputPlugin: 'test_decoding' })
    await cursor.startReplication({ slotName: 'later' })
    await insert(server, 'one')
    expect((await cursor.readMessage({ timeoutMs: 10_000 }))?.text).toMatch(/^BEGIN/)
    // Dropping ends the stream first: psycopg2 lets the slot leak here.
    await cursor.dropReplicationSlot('later')
    expect(await server.value(`SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'later'`)).toBe(
      '0',
    )
  })

  it('an expert command', async () => {
    await makeSlot(server, 'expert')
    const connection = await connectLogical({ dsn: server.dsn })
    const cursor = connection.cursor()
    await cursor.startReplicationExpert(
      `START_REPLICATION SLOT "expert" LOGICAL 00000000/00000000 ("include-xids" '0')`,
      { decode: true },
    )
    await insert(server, 'by an expert')
    expect((await cursor.readMessage({ timeoutMs: 10_000 }))?.payload).toBe('BEGIN')
  })

  it('a bad plugin option is an error with SQLSTATE; a right start works on the same connection', async () => {
    await makeSlot(server, 'options')
    const connection = await connectLogical({ dsn: server.dsn })
    const cursor = connection.cursor()
    const failed = await cursor
      .startReplication({ slotName: 'options', options: { 'invalid-param': 'value' } })
      .then(() => cursor.readMessage({ timeoutMs: 10_000 }))
      .catch((error) => error)
    expect(failed).toMatchObject({ sqlState: '22023', retryable: false })
    await cursor.startReplication({ slotName: 'options' })
    await insert(server, 'after all')
    await expect(
      cursor.consumeStream(() => {
        throw new StopReplication()
      }),
    ).rejects.toThrow(StopReplication)
  })

  it('StopReplication leaves consumeStream, which takes a keepalive interval', async () => {
    await makeSlot(server, 'consumed')
    const connection = await connectLogical({ dsn: server.dsn })
    const cursor = connection.cursor()
    await cursor.startReplication({ slotName: 'consumed', decode: true })
    await insert(server, 'a', 'b', 'c')
    const seen: ReplicationMessage[] = []
    const consumed = cursor.consumeStream(
      (message) => {
        expect(message.cursor).toBe(cursor)
        expect(cursor.ioTimestamp).toBeInstanceOf(Date)
        expect(cursor.feedbackTimestamp).toBeInstanceOf(Date)
        expect(cursor.walEnd).toBeGreaterThan(0n)
        cursor.sendFeedback({ flushLsn: message.dataStart })
        seen.push(message)
        if (seen.length < 4) return
        cursor.sendFeedback({ reply: true })
        throw new StopReplication()
      },
      { keepaliveInterval: 2 },
    )
    const stop = await consumed.catch((error) => error)
    expect(stop).toBeInstanceOf(StopReplication)
    expect(stop).not.toBeInstanceOf(PgError)
    expect(seen.map(({ text }) => text.split(' ')[0])).toEqual(['BEGIN', 'table', 'table', 'table'])
  })

  it('the loop with select: waitReadable, a read that does not wait, feedback for each message', async () => {
    await makeSlot(server, 'selected')
    const connection = await connectLogical({ dsn: server.dsn })
    const cursor = connection.cursor()
    await cursor.startReplication({ slotName: 'selected', decode: true })
    expect(await cursor.waitReadable(10)).toBe(false)
    expect(cursor.tryReadMessage()).toBeNull()
    await insert(server, 'seen')
    let last: ReplicationMessage | null = null
    while (last?.text.startsWith('COMMIT') !== true) {
      if (!(await cursor.waitReadable(1000))) continue
      last = cursor.tryReadMessage()
      if (last !== null) cursor.sendFeedback({ flushLsn: last.dataStart })
    }
    cursor.sendFeedback({ replyRequested: true })
    await confirmed(server, 'selected', last.dataStart)
    expect(await cursor.readReplicationMessage({ timeoutMs: 10 })).toBeNull()
  })

  it('a physical slot and a physical stream on a logical connection; a logical slot needs a database', async () => {
    const connection = await connectLogical({ dsn: server.dsn })
    const cursor = connection.cursor()
    await cursor.createReplicationSlot('bytes', { slotType: REPLICATION_PHYSICAL, reserveWal: true })
    await cursor.startReplication({
      slotName: 'bytes',
      slotType: REPLICATION_PHYSICAL,
      startLsn: await currentSegment(server),
    })
    expect((await cursor.readMessage({ timeoutMs: 10_000 }))?.bytes.length).toBeGreaterThan(0)
    await cursor.dropReplicationSlot('bytes')
    await using physical = await PhysicalReplicationConnection.connect({ dsn: server.dsn })
    await expect(
      physical.createReplicationSlot('none', {
        slotType: REPLICATION_LOGICAL,
        outputPlugin: 'test_decoding',
      }),
    ).rejects.toMatchObject({ sqlState: '55000' })
    await expect(physical.query('SELECT 1')).rejects.toMatchObject({ sqlState: '0A000' })
  })

  it('startLsn: 0 on a physical slot starts where the server can (psycopg2 asks for segment 0)', async () => {
    await using connection = await PhysicalReplicationConnection.connect({ dsn: server.dsn })
    const cursor = connection.cursor()
    await cursor.createReplicationSlot('standby', { slotType: REPLICATION_PHYSICAL })
    const started = await cursor.startReplication({ slotName: 'standby', startLsn: 0, timeline: 1 })
    expect(started).toMatchObject({ kind: 'streaming', timeline: 1 })
    const message = await cursor.readReplicationMessage({ timeoutMs: 10_000 })
    message?.ack()
    cursor.sendFeedback({ force: true })
    await waitFor('the slot to hold WAL', async () => {
      const lsn = await server.value(
        `SELECT coalesce(restart_lsn, '0/0')::text FROM pg_replication_slots WHERE slot_name = 'standby'`,
      )
      return parseLsn(lsn) === message?.dataEnd
    })
    await cursor.dropReplicationSlot('standby')
  })

  it('a wrong password is an error with SQLSTATE', async () => {
    const hba = 'host all locked 127.0.0.1/32 md5\nhost replication locked 127.0.0.1/32 md5\n'
    await server.query(`CREATE ROLE locked LOGIN REPLICATION PASSWORD 'sesame'`)
    await server.writeHba(
      `${hba}local all all trust\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n`,
    )
    await server.query('SELECT pg_reload_conf()')
    await waitFor('the new pg_hba.conf', async () => {
      const attempt = connect({
        host: '127.0.0.1',
        port: server.port,
        user: 'locked',
        password: 'wrong',
        database: 'postgres',
      })
      return attempt.then(
        (connection) => connection.close().then(() => false),
        (error) => error instanceof PgError && error.sqlState === '28P01',
      )
    })
  })

  it('slots with everything that the server knows; what it lacks is refused by name', async () => {
    const connection = await connectLogical({ dsn: server.dsn })
    const plugin = { outputPlugin: 'pgoutput' }
    const made: string[] = []
    const attempt = async (name: string, options: object, since: number, column?: string) => {
      const slot = connection.createReplicationSlot(name, { ...plugin, ...options })
      if (MAJOR < since) {
        await expect(slot).rejects.toThrow(
          new RegExp(`need PostgreSQL ${since} or later, the server is ${MAJOR}`),
        )
        return
      }
      made.push(name)
      expect(await slot).toMatchObject({ slotName: name, created: true })
      if (column === undefined) return
      const value = `SELECT ${column} FROM pg_replication_slots WHERE slot_name = $1`
      expect(await server.value(value, [name])).toBe('true')
    }
    await attempt('plain', { snapshot: 'nothing' }, 10)
    const exported = await connection.createReplicationSlot('exported', { ...plugin, snapshot: 'export' })
    expect(exported.snapshotName).toMatch(/-/)
    made.push('exported')
    await connection.query('BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ')
    await attempt('used', { snapshot: 'use' }, 10)
    await connection.query('COMMIT')
    await attempt('two_phase', { twoPhase: true, snapshot: 'nothing' }, 15, 'two_phase')
    await attempt('failover', { failover: true }, 17, 'failover')
    for (const name of made) await connection.dropReplicationSlot(name)
    await attempt('passing', { temporary: true }, 10, 'temporary')
    await connection.close()
    await waitFor('the temporary slot to go', async () => {
      return (await server.value('SELECT count(*) FROM pg_replication_slots WHERE temporary')) === '0'
    })
  })

  it('ifNotExists accepts the slot that is there, unless it is of another kind', async () => {
    await makeSlot(server, 'there')
    const connection = await connectLogical({ dsn: server.dsn })
    const again = { outputPlugin: 'test_decoding', ifNotExists: true }
    expect(await connection.createReplicationSlot('there', again)).toMatchObject({ created: false })
    await expect(
      connection.createReplicationSlot('there', { outputPlugin: 'pgoutput', ifNotExists: true }),
    ).rejects.toMatchObject({ code: 'PG_SLOT_MISMATCH' })
    await expect(
      connection.createReplicationSlot('there', { slotType: REPLICATION_PHYSICAL, ifNotExists: true }),
    ).rejects.toThrow(UsageError)
  })

  it('a wait for old transactions that is aborted leaves no slot behind', async () => {
    const holder = await server.connect()
    await holder.query('BEGIN')
    await holder.query('SELECT txid_current()')
    const connection = await connectLogical({ dsn: server.dsn })
    const controller = new AbortController()
    const making = connection.createReplicationSlot('never', {
      outputPlugin: 'test_decoding',
      signal: controller.signal,
    })
    await waitFor('the server to wait', async () => {
      return (
        (await server.value(`SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'never'`)) === '1'
      )
    })
    controller.abort(new Error('too long'))
    await expect(making).rejects.toThrow('too long')
    await waitFor('the slot to be gone, while the transaction is still open', async () => {
      return (
        (await server.value(`SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'never'`)) === '0'
      )
    })
    await holder.query('ROLLBACK')
    await holder.end()
  })

  it('drop waits for a slot in use, where the server can', async () => {
    await server.query(`SELECT pg_create_logical_replication_slot('busy', 'test_decoding')`)
    const user = await connectLogical({ dsn: server.dsn })
    await user.startReplication({ slotName: 'busy' })
    const other = await connectLogical({ dsn: server.dsn })
    await expect(other.dropReplicationSlot('busy')).rejects.toMatchObject({
      sqlState: '55006',
      pid: user.backendPid,
    })
    if (MAJOR >= 11) {
      const dropping = other.dropReplicationSlot('busy', { wait: true })
      await user.stopReplication()
      await dropping
    } else {
      await expect(other.dropReplicationSlot('busy', { wait: true })).rejects.toThrow(UsageError)
      await user.stopReplication()
    }
    await dropWhenFree(server, 'busy')
  })

  it('text is read in the encoding that the plugin writes in', async () => {
    await server.query(
      `CREATE DATABASE western TEMPLATE template0 ENCODING 'LATIN9' LC_COLLATE 'C' LC_CTYPE 'C'`,
    )
    const client = await server.connect('western')
    await client.query('CREATE TABLE items (name text)')
    await client.query(`SELECT pg_create_logical_replication_slot('western', 'test_decoding')`)
    await client.query(`INSERT INTO items VALUES ('5 € für Käse')`)
    await client.end()
    const connection = await connectLogical({ dsn: server.dsn, database: 'western' })
    await connection.startReplication({ slotName: 'western', decode: true })
    for await (const message of connection) {
      if (!message.text.startsWith('table')) continue
      expect(message.payload).toContain(`'5 € für Käse'`)
      break
    }
    await dropWhenFree(server, 'western')
  })

  it('close ends the walsender', async () => {
    const connection = await connectLogical({ dsn: server.dsn })
    const { backendPid } = connection
    await connection.close()
    await connection.close()
    expect(connection.closed).toBe(true)
    await expect(connection.query('SELECT 1')).rejects.toMatchObject({ code: 'PG_CLOSED' })
    await waitFor('the walsender to go', async () => {
      return (await server.value(`SELECT count(*) FROM pg_stat_activity WHERE pid = ${backendPid}`)) === '0'
    })
  })
})
