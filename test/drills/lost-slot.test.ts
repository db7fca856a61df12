/** The slot or the directory is lost: WAL that is missing is never skipped in silence. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import {
  formatLsn,
  isSegmentFileName,
  type Lsn,
  parseLsn,
  parseSegmentFileName,
  segmentStart,
} from '../../src/wal/index.js'
import { testDirectory } from '../live/test-directory.js'
import {
  keepNoWal,
  launchTestServer,
  MAJOR,
  SEGMENT_SIZE,
  switchSegment,
  writeWal,
} from '../live/test-server.js'
import { describeWithS3 } from '../support/s3-server.js'
import { archived, archivedNames, expectArchivedWal } from './archived-wal.js'
import { DrillBucket, hasLogged, logged } from './drill-bucket.js'

const SLOT = 'drill'

describeWithS3(`a lost slot of PostgreSQL ${MAJOR} with an archive`, () => {
  let bucket: DrillBucket
  let directory: string

  beforeEach(async () => {
    bucket = await DrillBucket.open()
    directory = await testDirectory()
  })

  async function launch(keep: 'all' | 'none'): Promise<PostgresServer> {
    const settings = keep === 'all' ? {} : { ...keepNoWal(MAJOR), max_wal_size: '1GB' }
    const server = await launchTestServer({ settings })
    onTestFinished(() => server[Symbol.asyncDispose]())
    return server
  }

  /** Receives two segments into the archive and stops; returns where the archive ends. */
  async function fillArchive(server: PostgresServer): Promise<Lsn> {
    const receiver = bucket.receive(server, directory, '-S', SLOT, '--ensure-slot')
    await hasLogged(receiver, 'streaming_started')
    await writeWal(server, 1.5 * SEGMENT_SIZE)
    const end = await switchSegment(server)
    const archive = await bucket.archive()
    await archived(archive, end)
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
    return (await archive.findEnd())!.lsn
  }

  /** The directory and the slot are gone; the server writes on for so many segments. */
  async function lose(server: PostgresServer, segments: number): Promise<void> {
    for (const name of await readdir(directory)) await rm(join(directory, name), { recursive: true })
    await server.query('SELECT pg_drop_replication_slot($1)', [SLOT])
    for (let segment = 0; segment < segments; segment++) {
      await writeWal(server, SEGMENT_SIZE / 2)
      await switchSegment(server)
    }
  }

  it('refuses to go on when the server has removed the WAL', { timeout: 120_000 }, async () => {
    const server = await launch('none')
    const end = await fillArchive(server)
    await lose(server, 6)
    await server.query('CHECKPOINT')
    await server.query('CHECKPOINT')
    await server.query('SELECT pg_create_physical_replication_slot($1, true)', [SLOT])
    const before = await bucket.fingerprint()

    const refused = bucket.receive(server, directory, '-S', SLOT)
    const { status, stderr } = await refused.exit
    expect(status).toBe(1)
    const [failed] = logged(refused, 'failed')
    expect(failed).toMatchObject({ code: 'RECEIVE_GAP' })
    const slotAt = parseLsn(
      await server.value('SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = $1', [SLOT]),
    )
    const start = ((slotAt / BigInt(SEGMENT_SIZE)) * BigInt(SEGMENT_SIZE)) as Lsn
    expect(stderr).toContain(`the archive ends at ${formatLsn(end)} (timeline 1)`)
    expect(stderr).toContain(`from ${formatLsn(start)} on`)
    expect(String(failed?.hint)).toContain('--allow-gap')
    expect(await bucket.fingerprint()).toEqual(before)

    const allowed = bucket.receive(server, directory, '-S', SLOT, '--allow-gap')
    await hasLogged(allowed, 'gap_recorded')
    await hasLogged(allowed, 'streaming_started')
    await writeWal(server, SEGMENT_SIZE / 2)
    const to = await switchSegment(server)
    const archive = await bucket.archive()
    await archived(archive, to)
    expect(await archive.listGaps()).toEqual([{ timeline: 1, from: end, to: start }])
    await expectArchivedWal(archive, server.walDirectory, { from: start, to })
    expect((await allowed.stop('SIGTERM')).status).toBe(0)

    // The gap was accepted once and for all: the next start needs no leave.
    const again = bucket.receive(server, directory, '-S', SLOT)
    await hasLogged(again, 'streaming_started')
    expect((await again.stop('SIGTERM')).status).toBe(0)
    expect(logged(again, 'coverage_gap')).toEqual([])
  })

  it('finds a hole too when the store comes back later than the receiver', {
    timeout: 120_000,
  }, async () => {
    const server = await launch('all')
    const end = await fillArchive(server)
    const options = ['-S', SLOT, '--ack', 'archived', '--s3-attempts', '1']
    const slotAt = () =>
      server.value('SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = $1', [SLOT])
    await bucket.proxy.refuse()
    const spooling = bucket.receive(server, directory, ...options)
    await hasLogged(spooling, 'streaming_started')
    const finished = async () => (await readdir(directory)).filter(isSegmentFileName).sort()
    for (const count of [1, 2, 3]) {
      await writeWal(server, SEGMENT_SIZE / 2)
      await switchSegment(server)
      await hasLogged(spooling, 'segment_finished', count)
    }
    await spooling.stop('SIGKILL')
    // The first of what only the directory has is lost, and everything before it.
    const missing = parseSegmentFileName((await finished()).at(-3)!, SEGMENT_SIZE)!
    for (const name of (await finished()).slice(0, -2)) await rm(join(directory, name))
    const before = { slot: await slotAt(), bucket: await bucket.fingerprint() }

    const receiver = bucket.receive(server, directory, ...options)
    await hasLogged(receiver, 'streaming_started')
    await hasLogged(receiver, 'store_failing')
    await bucket.proxy.accept()
    const { status } = await receiver.exit
    expect(status).toBe(1)
    const [failed] = logged(receiver, 'failed')
    expect(failed).toMatchObject({ code: 'RECEIVE_GAP' })
    expect(String(failed?.msg)).toContain(`the archive ends at ${formatLsn(end)}`)
    expect(String(failed?.msg)).toContain(
      `from ${formatLsn(segmentStart(missing.segment + 1n, SEGMENT_SIZE))} on`,
    )
    // Nothing went up behind the hole, and the server still keeps what fills it.
    expect(await bucket.fingerprint()).toEqual(before.bucket)
    expect(await slotAt()).toBe(before.slot)
  })

  it('goes on behind the archive while the server still has the WAL', { timeout: 120_000 }, async () => {
    const server = await launch('all')
    const end = await fillArchive(server)
    await lose(server, 4)
    const receiver = bucket.receive(server, directory, '-S', SLOT, '--ensure-slot')
    await hasLogged(receiver, 'slot_created')
    const to = await switchSegment(server)
    const archive = await bucket.archive()
    await archived(archive, to)
    const compared = await expectArchivedWal(archive, server.walDirectory, { to })
    expect(await archivedNames(archive)).toEqual(compared)
    expect(await archive.listGaps()).toEqual([])
    const [started] = logged(receiver, 'streaming_started')
    expect(parseLsn(String(started?.lsn))).toBe((end / BigInt(SEGMENT_SIZE)) * BigInt(SEGMENT_SIZE))
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
  })
})
