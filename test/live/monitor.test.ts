/** Slots and replicas as the library and the command line show them, against a real primary and a standby. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { runWalship } from '../../src/cli/walship.js'
import {
  Connection,
  connect,
  formatLsn,
  LogicalReplicationConnection,
  lsnAdd,
  monitorReplication,
  monitorServer,
  monitorSlots,
  PhysicalReplicationConnection,
} from '../../src/index.js'
import { FakeHost } from '../cli/fake-host.js'
import { currentLsn, currentSegment, readTo } from './read-messages.js'
import { launchTestServer, MAJOR, writeWal } from './test-server.js'

/** The query that people copy, as it is: only for primaries. */
const SLOTS_QUERY = `SELECT slot_name, slot_type, active, restart_lsn, confirmed_flush_lsn,
  pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) AS lag_size FROM pg_replication_slots`
const REPLICAS_QUERY = `SELECT client_addr, state, sent_lsn, write_lsn, flush_lsn, replay_lsn, sync_state,
  pg_size_pretty(pg_wal_lsn_diff(sent_lsn, flush_lsn)) AS write_lag,
  pg_size_pretty(pg_wal_lsn_diff(flush_lsn, replay_lsn)) AS replay_lag FROM pg_stat_replication`

let primary: PostgresServer
let standby: PostgresServer

beforeAll(async () => {
  primary = await launchTestServer({ settings: { wal_level: 'logical' } })
  standby = await primary.createStandby()
})
afterAll(async () => {
  await standby?.[Symbol.asyncDispose]()
  await primary?.[Symbol.asyncDispose]()
})

describe(`monitoring PostgreSQL ${MAJOR}`, () => {
  let plain: Connection
  beforeEach(async () => {
    plain = await connect({ dsn: primary.dsn })
    onTestFinished(() => plain.close())
  })

  it('slots, over a plain and over a logical connection: what the well-known query says, and more', async () => {
    await primary.query(`SELECT pg_create_physical_replication_slot('kept', true)`)
    await primary.query(`SELECT pg_create_physical_replication_slot('unused')`)
    await primary.query(`SELECT pg_create_logical_replication_slot('decoded', 'test_decoding')`)
    onTestFinished(async () => {
      await primary.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots')
    })
    await writeWal(primary, 256 * 1024)
    await using logical = await connect({ dsn: primary.dsn, connectionFactory: LogicalReplicationConnection })
    for (const connection of [plain, logical]) {
      const slots = await monitorSlots(connection)
      const { rows } = await connection.query<Record<string, unknown>>(`${SLOTS_QUERY} ORDER BY slot_name`)
      expect(
        slots.map((slot) => ({
          slot_name: slot.slotName,
          slot_type: slot.slotType,
          active: slot.active,
          restart_lsn: slot.restartLsn === null ? null : formatLsn(slot.restartLsn),
          confirmed_flush_lsn: slot.confirmedFlushLsn === null ? null : formatLsn(slot.confirmedFlushLsn),
          lag_size: slot.lagSize,
        })),
      ).toEqual(rows)
      const [decoded, kept, unused] = slots
      expect(decoded).toMatchObject({
        plugin: 'test_decoding',
        database: 'postgres',
        temporary: false,
        activePid: null,
      })
      expect(decoded!.unconfirmedBytes).toBeGreaterThan(200_000n)
      expect(kept!.lagBytes).toBeGreaterThan(200_000n)
      expect(kept).toMatchObject({ plugin: null, unconfirmedBytes: null })
      expect(unused).toMatchObject({ restartLsn: null, lagBytes: null, lagSize: null })
      // What a version lacks is null, what it has is not.
      expect(kept!.walStatus).toBe(MAJOR >= 13 ? 'reserved' : null)
      expect(decoded!.twoPhase).toBe(MAJOR >= 14 ? false : null)
      expect(decoded!.conflicting).toBe(MAJOR >= 16 ? false : null)
      expect([decoded!.failover, decoded!.synced]).toEqual(MAJOR >= 17 ? [false, false] : [null, null])
      expect(decoded!.invalidationReason).toBeNull()
      const inactiveFor = decoded!.inactiveSince && Date.now() - decoded!.inactiveSince.getTime()
      if (MAJOR >= 17) expect(Math.abs(inactiveFor!)).toBeLessThan(600_000)
      else expect(inactiveFor).toBeNull()
    }
  })

  it('replicas: a client with a slot, at the positions that it has reported', async () => {
    const receiver = await PhysicalReplicationConnection.connect({
      dsn: primary.dsn,
      applicationName: 'receiver',
    })
    onTestFinished(async () => {
      await receiver.stopReplication()
      await receiver.dropReplicationSlot('taken')
      await receiver.close()
    })
    await receiver.createReplicationSlot('taken', { reserveWal: true })
    await receiver.startReplication({ slotName: 'taken', startLsn: await currentSegment(primary) })
    const end = (await readTo(await writeWal(primary, 64 * 1024), receiver)).at(-1)!.dataEnd
    receiver.sendFeedback({
      writeLsn: end,
      flushLsn: lsnAdd(end, -1000),
      applyLsn: lsnAdd(end, -3000),
      force: true,
    })
    const replica = await waitFor('the positions', async () => {
      const found = (await monitorReplication(plain)).find(
        ({ applicationName }) => applicationName === 'receiver',
      )
      return found?.writeLsn === end && found
    })
    expect(replica).toMatchObject({
      pid: receiver.backendPid,
      user: 'postgres',
      clientAddress: '127.0.0.1',
      slotName: 'taken',
      state: 'streaming',
      syncState: 'async',
      flushLsn: lsnAdd(end, -1000),
      replayLsn: lsnAdd(end, -3000),
      replayLag: '2000 bytes',
    })
    const { sent, write, flush, replay } = replica.behindBytes
    expect([flush! - write!, replay! - flush!]).toEqual([1000n, 2000n])
    expect(sent).toBeGreaterThanOrEqual(0n)
    if (MAJOR >= 12) expect(Math.abs(replica.replyTime!.getTime() - Date.now())).toBeLessThan(600_000)
    else expect(replica.replyTime).toBeNull()

    const { rows } = await plain.query<Record<string, unknown>>(
      `${REPLICAS_QUERY} WHERE application_name = 'receiver'`,
    )
    expect(rows[0]).toMatchObject({
      replay_lag: replica.replayLag,
      state: 'streaming',
      flush_lsn: formatLsn(replica.flushLsn!),
    })
    expect((await monitorSlots(plain)).find(({ slotName }) => slotName === 'taken')).toMatchObject({
      active: true,
      activePid: receiver.backendPid,
    })
  })

  it('a standby: its position, its slots, the replicas of its own; where the well-known query fails', async () => {
    await using connection = await connect({ dsn: standby.dsn })
    await standby.query(`SELECT pg_create_physical_replication_slot('cascade', true)`)
    onTestFinished(async () => {
      await standby.query(`SELECT pg_drop_replication_slot('cascade')`)
    })
    await expect(connection.query(SLOTS_QUERY)).rejects.toMatchObject({ sqlState: '55000' })
    const end = await writeWal(primary, 64 * 1024)
    await waitFor('the standby', async () => ((await monitorServer(connection)).position ?? 0n) >= end)
    expect(await monitorServer(connection)).toMatchObject({ role: 'standby' })
    const [slot] = await monitorSlots(connection)
    expect(slot).toMatchObject({ slotName: 'cascade', active: false })
    expect(slot!.lagBytes).toBeGreaterThanOrEqual(64n * 1024n)
    expect(await monitorReplication(connection)).toEqual([])
    const replica = (await monitorReplication(plain)).find(
      ({ applicationName }) => applicationName === 'standby',
    )
    expect(replica).toMatchObject({ state: 'streaming' })
  })

  it('a role without rights sees that replicas are there, and not more', async () => {
    await primary.query('CREATE ROLE stranger LOGIN')
    onTestFinished(async () => {
      await primary.query('DROP ROLE stranger')
    })
    await using connection = await connect({ dsn: primary.dsn, user: 'stranger' })
    const [replica] = await monitorReplication(connection)
    expect(replica).toMatchObject({ state: null, sentLsn: null, writeLag: null })
    expect(replica!.behindBytes).toEqual({ sent: null, write: null, flush: null, replay: null })
  })
})

describe(`walship status and slot list on PostgreSQL ${MAJOR}`, () => {
  async function walship(...args: string[]) {
    const host = new FakeHost(args, { invokedAs: 'walship' })
    return { status: await runWalship(host), out: host.out, err: host.err }
  }

  beforeAll(async () => {
    await primary.query(`SELECT pg_create_physical_replication_slot('shown', true)`)
  })
  afterAll(() => primary.query(`SELECT pg_drop_replication_slot('shown')`))

  it('show tables', async () => {
    const { status, out, err } = await walship('status', '-d', primary.dsn)
    expect([status, err]).toEqual([0, ''])
    expect(out).toMatch(new RegExp(`^primary, PostgreSQL ${MAJOR}\\S*, at [0-9A-F]+/[0-9A-F]+\\n`))
    expect(out).toMatch(/^slot +type +plugin +database +pid +restart +confirmed +keeps +state$/m)
    expect(out).toMatch(/^shown +physical +- +- +- +[0-9A-F]+\/[0-9A-F]+ +- +\d+ \w+ +(reserved|-)$/m)
    expect(out).toMatch(/^standby +\d+ +127\.0\.0\.1 +- +streaming +async /m)
    const slots = await walship('slot', 'list', '-d', standby.dsn)
    expect(slots).toEqual({ status: 0, out: 'no replication slots\n', err: '' })
  })

  it('show JSON', async () => {
    const status = JSON.parse((await walship('status', '--json', '-d', primary.dsn)).out)
    expect(status.server).toMatchObject({
      role: 'primary',
      position: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
    })
    expect(status.replicas[0]).toMatchObject({ applicationName: 'standby' })
    const slots = JSON.parse((await walship('slot', 'list', '--json', '-d', primary.dsn)).out)
    expect(slots[0]).toMatchObject({ slotName: 'shown', restartLsn: expect.stringContaining('/') })
    expect(typeof slots[0].lagBytes).toBe('number')
  })

  it('watch until interrupted', async () => {
    const host = new FakeHost(['slot', 'list', '--json', '--watch', '--interval', '0.1', '-d', primary.dsn], {
      invokedAs: 'walship',
    })
    const status = runWalship(host)
    await waitFor('three rounds', () => host.out.split('\n').length > 3)
    host.send('SIGINT')
    expect(await status).toBe(0)
    for (const line of host.out.trimEnd().split('\n')) expect(JSON.parse(line)[0].slotName).toBe('shown')
    expect(host.err).toBe('')
  })

  it('watch on through a restart of the server', async () => {
    const server = await launchTestServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    const host = new FakeHost(['status', '--watch', '--interval', '0.1', '-d', server.dsn], {
      invokedAs: 'walship',
    })
    const status = runWalship(host)
    await waitFor('the first round', () => host.out !== '')
    await server.restart('immediate')
    const rounds = host.out.split('primary,').length
    await waitFor('more rounds', () => host.out.split('primary,').length > rounds + 1)
    host.send('SIGTERM')
    expect(await status).toBe(0)
  })

  it('fail when there is no server', async () => {
    const { status, err } = await walship('status', '-h', '127.0.0.1', '-p', '1', '-U', 'x')
    expect(status).toBe(1)
    expect(err).toContain('connection to server at "127.0.0.1", port 1 failed')
  })
})

it(`the server's position is what it says`, async () => {
  await using connection = await Connection.connect({ dsn: primary.dsn })
  const before = await currentLsn(primary)
  const { position, version, role } = await monitorServer(connection)
  expect(position).toBeGreaterThanOrEqual(before)
  expect([version.split('.')[0], role]).toEqual([String(MAJOR), 'primary'])
})
