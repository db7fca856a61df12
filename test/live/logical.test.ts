/** Logical streams of the library against a real server. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import {
  Connection,
  connect,
  formatLsn,
  LogicalReplicationConnection,
  PhysicalReplicationConnection,
  ProtocolError,
  type ReplicationMessage,
  UsageError,
} from '../../src/index.js'
import { currentLsn } from './read-messages.js'
import { launchTestServer, MAJOR } from './test-server.js'

describe(`ordinary connections and PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await launchTestServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  it('connect makes the kind of connection that its factory makes', async () => {
    await using plain = await connect({ dsn: server.dsn })
    await using physical = await connect({
      dsn: server.dsn,
      connectionFactory: PhysicalReplicationConnection,
    })
    await using logical = await connect({
      dsn: server.dsn,
      database: 'postgres',
      connectionFactory: LogicalReplicationConnection,
    })
    expect(plain).toBeInstanceOf(Connection)
    expect(plain).not.toHaveProperty('replicationType')
    expect(await physical.identifySystem()).toMatchObject({ dbName: null })
    expect(await logical.identifySystem()).toMatchObject({ dbName: 'postgres' })
    await expect(physical.query('SELECT 1')).rejects.toMatchObject({ sqlState: '0A000' })
    expect((await logical.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  it('query gives values their types', async () => {
    await using connection = await connect({ dsn: server.dsn })
    const { rows, columns, rowCount } = await connection.query(
      `SELECT true AS b, NULL::text AS n, 9007199254740993::int8 AS i8, 7::int2 AS i2, 1.5::float8 AS f,
         '16/B374D848'::pg_lsn AS lsn, '10.0.0.1'::inet AS ip, '\\x00ff'::bytea AS bytes, 0.10::numeric AS num`,
    )
    expect(rows).toEqual([
      {
        b: true,
        n: null,
        i8: 9007199254740993n,
        i2: 7,
        f: 1.5,
        lsn: '16/B374D848',
        ip: '10.0.0.1',
        bytes: Buffer.from([0, 255]),
        num: '0.10',
      },
    ])
    expect(columns[0]).toEqual({ name: 'b', dataTypeId: 16 })
    expect(rowCount).toBe(1)
  })

  it('gives a connection up whose answer it cannot read: COPY is not for it', async () => {
    await using connection = await connect({ dsn: server.dsn })
    await connection.query('CREATE TABLE copied (n int)')
    await expect(connection.query('COPY copied FROM STDIN')).rejects.toThrow(ProtocolError)
    expect(connection.closed).toBe(true)
    await expect(connection.query('SELECT 1')).rejects.toThrow()
  })

  it('runs queries that are sent at the same time one after the other', async () => {
    await using connection = await connect({ dsn: server.dsn })
    const numbers = [1, 2, 3, 4, 5]
    const results = await Promise.all(
      numbers.map((number) => connection.query<{ n: number }>(`SELECT ${number} AS n`)),
    )
    expect(results.map(({ rows }) => rows[0]?.n)).toEqual(numbers)
    const [failed, passed] = await Promise.allSettled([
      connection.query('SELECT 1/0'),
      connection.query('SELECT 1'),
    ])
    expect(failed).toMatchObject({ status: 'rejected', reason: { sqlState: '22012' } })
    expect(passed.status).toBe('fulfilled')
  })
})

describe(`logical streams and PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await launchTestServer({ settings: { wal_level: 'logical' } })
    await server.query('CREATE TABLE items (id int PRIMARY KEY, name text)')
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  it('test_decoding: messages in order with positions and clocks; what is acknowledged moves the slot', async () => {
    await server.query(`SELECT pg_create_logical_replication_slot('first', 'test_decoding')`)
    const connection = await connect({ dsn: server.dsn, connectionFactory: LogicalReplicationConnection })
    onTestFinished(async () => {
      await connection.dropReplicationSlot('first')
      await connection.close()
    })
    await connection.startReplication({ slotName: 'first', options: { 'include-xids': '0' }, decode: true })
    await server.query(`INSERT INTO items VALUES (1, 'it''s'), (2, 'naïve')`)
    const messages: ReplicationMessage[] = []
    for await (const message of connection) {
      messages.push(message)
      if (message.payload === 'COMMIT') break
    }
    expect(messages.map(({ payload }) => payload)).toEqual([
      'BEGIN',
      `table public.items: INSERT: id[integer]:1 name[text]:'it''s'`,
      `table public.items: INSERT: id[integer]:2 name[text]:'naïve'`,
      'COMMIT',
    ])
    const commit = messages.at(-1)!
    expect(commit.bytes).toEqual(Buffer.from('COMMIT'))
    expect(commit.dataSize).toBe(6)
    expect(commit.dataStart).toBeLessThanOrEqual(await currentLsn(server))
    expect(Math.abs(commit.sendTime.getTime() - Date.now())).toBeLessThan(60_000)

    // The server would end a second logical stream at once, without an error.
    expect(await connection.identifySystem()).toMatchObject({ timeline: 1 })
    await expect(connection.startReplication({ slotName: 'first' })).rejects.toThrow(UsageError)
    await using next = await connect({ dsn: server.dsn, connectionFactory: LogicalReplicationConnection })
    await next.startReplication({ slotName: 'first', startLsn: commit.dataStart, decode: true })
    next.sendFeedback({ flushLsn: commit.dataStart, force: true })
    await waitFor('the slot to move', async () => {
      const confirmed = await server.value(
        `SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = 'first'`,
      )
      return confirmed === formatLsn(commit.dataStart)
    })
  })
})
