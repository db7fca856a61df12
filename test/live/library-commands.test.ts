/** The library against a real server: ways in, and one command after the other. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { type PhysicalReplicationConnection, parseLsn } from '../../src/index.js'
import { connectTo, currentLsn } from './read-messages.js'
import { launchTestServer, MAJOR, SEGMENT_SIZE } from './test-server.js'

describe(`commands of the library and PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  let connection: PhysicalReplicationConnection

  beforeAll(async () => {
    server = await launchTestServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    connection = await connectTo(server.dsn)
  })

  it('identifySystem, show and segmentSize agree with SQL', async () => {
    const systemId = await server.value('SELECT system_identifier FROM pg_control_system()')
    const system = await connection.identifySystem()
    expect(system).toMatchObject({ systemId, timeline: 1, dbName: null })
    expect(system.xlogPos).toBeLessThanOrEqual(await currentLsn(server))
    expect(await connection.show('server_version')).toBe(await server.value('SHOW server_version'))
    expect(await connection.segmentSize()).toBe(SEGMENT_SIZE)
    expect(Math.floor(connection.serverVersion / 10000)).toBe(MAJOR)
    const backend = `SELECT count(*) FROM pg_stat_activity WHERE pid = ${connection.backendPid}`
    expect(await server.value(backend)).toBe('1')
  })

  it('a refused command leaves the connection usable', async () => {
    await expect(connection.show('no_such_setting')).rejects.toMatchObject({ sqlState: '42704' })
    await expect(connection.timelineHistory(77)).rejects.toMatchObject({ sqlState: '58P01' })
    await expect(connection.dropReplicationSlot('nope')).rejects.toMatchObject({ sqlState: '42704' })
    expect(await connection.show('port')).toBe(String(server.port))
  })

  it('slots: created, read, there already, dropped', async () => {
    const slot = () =>
      server.query(
        `SELECT slot_type, temporary, restart_lsn::text FROM pg_replication_slots WHERE slot_name = 'made'`,
      )
    expect(await connection.createReplicationSlot('made')).toMatchObject({ slotName: 'made', created: true })
    expect(await slot()).toEqual([{ slot_type: 'physical', temporary: false, restart_lsn: null }])
    await expect(connection.createReplicationSlot('made')).rejects.toMatchObject({ sqlState: '42710' })
    expect(await connection.createReplicationSlot('made', { ifNotExists: true })).toMatchObject({
      created: false,
    })
    await connection.dropReplicationSlot('made')
    expect(await slot()).toEqual([])

    await connection.createReplicationSlot('made', { reserveWal: true })
    const [{ restart_lsn }] = (await slot()) as [{ restart_lsn: string }]
    if (MAJOR >= 15) {
      expect(await connection.readReplicationSlot('made')).toEqual({
        slotType: 'physical',
        restartLsn: parseLsn(restart_lsn),
        restartTli: 1,
      })
      expect(await connection.readReplicationSlot('nope')).toBeNull()
    } else await expect(connection.readReplicationSlot('made')).rejects.toMatchObject({ sqlState: '0A000' })
    await connection.dropReplicationSlot('made')
  })

  it('a temporary slot goes with its connection', async () => {
    await connection.createReplicationSlot('passing', { temporary: true, reserveWal: true })
    const count = `SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'passing'`
    expect(await server.value(count)).toBe('1')
    await connection.close()
    await waitFor('the slot to be gone', async () => (await server.value(count)) === '0')
  })

  it('a Unix socket, and the replication line of a password file', async () => {
    const hba = `local all all trust\nhost all all 127.0.0.1/32 trust\n`
    const own = await launchTestServer({
      hba: `host replication locked 127.0.0.1/32 md5\n${hba}local replication all trust\n`,
    })
    onTestFinished(() => own[Symbol.asyncDispose]())
    await own.query(`CREATE ROLE locked LOGIN REPLICATION PASSWORD 'sesame'`)
    const local = await connectTo(`host=${own.socketDirectory} port=${own.port} user=postgres`)
    const { systemId } = await local.identifySystem()

    const passfile = await own.addFile(
      'pgpass',
      `*:*:postgres:locked:wrong\n127.0.0.1:${own.port}:replication:locked:sesame\n`,
    )
    const remote = await connectTo(`host=127.0.0.1 port=${own.port} user=locked`, passfile)
    expect(await remote.identifySystem()).toMatchObject({ systemId })
    expect(remote.passwordUsed).toBe('sesame')
  })
})
