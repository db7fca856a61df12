/** The primary dies and its standby takes over: a receiver that knows both follows, or says what is missing. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { formatLsn, type Lsn, parseLsn, segmentFloor } from '../../src/wal/index.js'
import type { ReceiverProcess } from '../live/receiver-process.js'
import { testDirectory } from '../live/test-directory.js'
import {
  keepAllWal,
  keepNoWal,
  MAJOR,
  reported,
  SEGMENT_SIZE,
  switchSegment,
  writeWal,
} from '../live/test-server.js'
import { describeWithS3 } from '../support/s3-server.js'
import { archived, expectArchivedWal } from './archived-wal.js'
import { launchWithBase, promoted, successorOf } from './cluster-with-base.js'
import { DrillBucket, hasLogged, logged } from './drill-bucket.js'

describeWithS3(`a failover of PostgreSQL ${MAJOR}`, { timeout: 180_000 }, () => {
  let bucket: DrillBucket
  let directory: string
  let primary: PostgresServer
  let standby: PostgresServer
  let base: string

  beforeEach(async () => {
    bucket = await DrillBucket.open()
    directory = await testDirectory()
    const cluster = await launchWithBase()
    primary = cluster.server
    base = cluster.base
    // From the primary at first, so that the archive has all since the base backup.
    const first = bucket.receive(primary, directory, '-S', 'drill', '--ensure-slot')
    await hasLogged(first, 'streaming_started')
    await primary.query('CREATE TABLE t (n int)')
    standby = await primary.createStandby(keepAllWal(MAJOR))
    onTestFinished(() => standby[Symbol.asyncDispose]())
    expect((await first.stop('SIGTERM')).status).toBe(0)
  })

  /** One connection string for before and after. */
  function receive(...options: string[]): ReceiverProcess {
    const ports = `${primary.port},${standby.port}`
    const dsn = `host=127.0.0.1,127.0.0.1 port=${ports} user=${primary.user} target_session_attrs=read-write`
    return bucket.receiveWith([
      '-D',
      directory,
      '-S',
      'drill',
      '--ensure-slot',
      '--synchronous',
      '-d',
      dsn,
      ...options,
    ])
  }

  async function commitRows(server: PostgresServer, count: number): Promise<void> {
    for (let row = 0; row < count; row++) await server.query('INSERT INTO t VALUES (1)')
  }

  async function caughtUp(lsn: Lsn): Promise<void> {
    await waitFor('the standby to catch up', async () => {
      return parseLsn(await standby.value('SELECT pg_last_wal_replay_lsn()')) >= lsn
    })
  }

  async function forkPoint(): Promise<Lsn> {
    const history = await readFile(join(standby.walDirectory, '00000002.history'), 'utf8')
    return parseLsn(/^1\t(\S+)\t/m.exec(history)![1]!)
  }

  /** A cluster restored from the archive alone has all that the new primary has. */
  async function expectRestored(): Promise<void> {
    const rows = await standby.value('SELECT count(*) FROM t')
    await Promise.all([primary.kill(), standby.kill()])
    const restored = await successorOf(base, bucket.restoreCommand())
    await restored.start()
    await promoted(restored)
    expect(await restored.value('SELECT count(*) FROM t')).toBe(rows)
    expect(await restored.value('SELECT timeline_id FROM pg_control_checkpoint()')).toBe('3')
  }

  it('is followed to the promoted standby, with a slot made there and without a gap', async () => {
    const receiver = receive()
    await hasLogged(receiver, 'streaming_started')
    await commitRows(primary, 20)
    const before = await writeWal(primary, 1.5 * SEGMENT_SIZE)
    await reported(primary, 'flush_lsn', before)
    await caughtUp(before)
    await primary.kill()
    await standby.promote()
    await hasLogged(receiver, 'timeline_switched')
    expect(logged(receiver, 'slot_created')).toHaveLength(1)
    await commitRows(standby, 30)
    await writeWal(standby, 1.5 * SEGMENT_SIZE)
    const end = await switchSegment(standby)
    const archive = await bucket.archive()
    await archived(archive, end)
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
    for (const event of ['branch_left', 'coverage_gap', 'segment_conflict', 'history_missing'])
      expect(logged(receiver, event)).toEqual([])
    const from = segmentFloor(await forkPoint(), SEGMENT_SIZE)
    await expectArchivedWal(archive, standby.walDirectory, { from, to: end, timeline: 2 })
    await expectRestored()
  })

  it('to a standby that lacks some: both positions are said, and it is followed where that is wanted', async ({
    skip,
  }) => {
    skip(MAJOR < 13, 'before server 13 only a restart cuts a standby off')
    const receiver = receive()
    await hasLogged(receiver, 'streaming_started')
    await commitRows(primary, 20)
    await caughtUp(await switchSegment(primary))
    await standby.configure({ primary_conninfo: '' })
    await standby.query('SELECT pg_reload_conf()')
    await waitFor('the standby to be cut off', async () => {
      return (await standby.value('SELECT count(*) FROM pg_stat_wal_receiver')) === '0'
    })
    // These are lost for the new primary, and were acknowledged.
    await commitRows(primary, 5)
    const ahead = await writeWal(primary, 3.5 * SEGMENT_SIZE)
    await reported(primary, 'flush_lsn', ahead)
    const archive = await bucket.archive()
    await archived(archive, segmentFloor(ahead, SEGMENT_SIZE))
    await primary.kill()
    await standby.promote()
    const refused = await receiver.exit
    expect(refused.status).toBe(1)
    const fork = await forkPoint()
    const facts = {
      timeline: 1,
      switchLsn: formatLsn(fork),
      lsn: formatLsn(segmentFloor(ahead, SEGMENT_SIZE)),
      nextTimeline: 2,
    }
    const [failed] = logged(receiver, 'failed')
    expect(failed).toMatchObject({
      code: 'RECEIVE_BRANCH_LEFT',
      context: facts,
      hint: expect.stringContaining('--follow-failover'),
    })
    const kept = await bucket.fingerprint()

    const following = receive('--follow-failover')
    await hasLogged(following, 'streaming_started')
    expect(logged(following, 'branch_left')).toMatchObject([facts])
    await commitRows(standby, 30)
    const half = await switchSegment(standby)
    await archived(archive, half)
    expect((await following.stop('SIGTERM')).status).toBe(0)
    // The old timeline's files still have the higher numbers, and a restart goes on with the new one's all the same.
    expect(half).toBeLessThan(ahead)
    const again = receive('--follow-failover')
    await hasLogged(again, 'streaming_started')
    expect(logged(again, 'streaming_started')).toMatchObject([{ timeline: 2, lsn: formatLsn(half) }])
    await commitRows(standby, 7)
    await writeWal(standby, 4 * SEGMENT_SIZE)
    const end = await switchSegment(standby)
    await archived(archive, end)
    expect(end).toBeGreaterThan(ahead)
    expect((await again.stop('SIGTERM')).status).toBe(0)
    for (const event of ['coverage_gap', 'segment_conflict', 'history_missing'])
      expect([logged(following, event), logged(again, event)]).toEqual([[], []])
    // What the failover has lost is still there.
    const after = await bucket.fingerprint()
    for (const [key, print] of kept)
      if (key.includes('/wal/00000001/')) expect([key, after.get(key)]).toEqual([key, print])
    const from = segmentFloor(fork, SEGMENT_SIZE)
    await expectArchivedWal(archive, standby.walDirectory, { from, to: end, timeline: 2 })
    await expectRestored()
  })

  it('to a standby that has removed what comes next: exactly that is named as missing', async () => {
    const receiver = receive()
    await hasLogged(receiver, 'streaming_started')
    const before = await switchSegment(primary)
    await reported(primary, 'flush_lsn', before)
    await caughtUp(before)
    const archive = await bucket.archive()
    await archived(archive, before)
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
    const { lsn: archiveEnd } = (await archive.findEnd())!
    await caughtUp(await writeWal(primary, SEGMENT_SIZE / 2))
    await primary.kill()
    await standby.configure({ ...keepNoWal(MAJOR), max_wal_size: '1GB' })
    await standby.restart()
    await standby.promote()
    for (let segment = 0; segment < 5; segment++) {
      await writeWal(standby, SEGMENT_SIZE / 2)
      await switchSegment(standby)
    }
    await waitFor('the WAL to be removed', async () => {
      await standby.query('CHECKPOINT')
      const oldest = await standby.value(
        `SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^0000000[12][0-9A-F]{16}$'`,
      )
      return BigInt(`0x${oldest.slice(16)}`) * BigInt(SEGMENT_SIZE) > archiveEnd + BigInt(2 * SEGMENT_SIZE)
    })

    const lost = receive('--follow-failover')
    expect((await lost.exit).status).toBe(1)
    const [failed] = logged(lost, 'failed')
    expect(logged(lost, 'slot_created')).toHaveLength(1)
    expect(failed).toMatchObject({
      code: 'RECEIVE_GAP',
      msg: expect.stringContaining(`the archive ends at ${formatLsn(archiveEnd)} (timeline 1)`),
      context: { from: formatLsn(archiveEnd), timeline: 1 },
    })
    if (MAJOR >= 15) {
      const slot = parseLsn(await standby.value('SELECT restart_lsn FROM pg_replication_slots'))
      expect(failed!.context).toMatchObject({ to: formatLsn(segmentFloor(slot, SEGMENT_SIZE)) })
    }

    const accepting = receive('--follow-failover', '--allow-gap')
    await hasLogged(accepting, 'gap_recorded')
    await hasLogged(accepting, 'streaming_started')
    const end = await switchSegment(standby)
    await reported(standby, 'flush_lsn', end)
    await archived(archive, end)
    expect((await accepting.stop('SIGTERM')).status).toBe(0)
  })
})
