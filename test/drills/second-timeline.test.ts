/** A standby is promoted while it is received from: both timelines, and the way between them, are in the archive. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { type Lsn, parseLsn, segmentFileName, segmentFloor, segmentOffset } from '../../src/wal/index.js'
import { testDirectory } from '../live/test-directory.js'
import { MAJOR, SEGMENT_SIZE, streaming, switchSegment, writeWal } from '../live/test-server.js'
import { describeWithS3 } from '../support/s3-server.js'
import { archived, archivedNames, expectArchivedWal, firstArchived } from './archived-wal.js'
import { launchWithBase, promoted, successorOf } from './cluster-with-base.js'
import { DrillBucket, hasLogged } from './drill-bucket.js'

describeWithS3(`a promotion of PostgreSQL ${MAJOR} and the archive`, () => {
  async function commitRows(server: PostgresServer, count: number): Promise<void> {
    for (let row = 0; row < count; row++) await server.query('INSERT INTO t VALUES (1)')
  }

  it('recovery follows to the new timeline, with nothing but the archive', { timeout: 120_000 }, async () => {
    const bucket = await DrillBucket.open()
    const directory = await testDirectory()
    const { server: primary, base } = await launchWithBase()
    await primary.query('CREATE TABLE t (n int)')
    // From the primary at first, so that the archive has all since the base backup; then behind the standby.
    const first = bucket.receive(primary, directory, '-S', 'drill', '--ensure-slot')
    await hasLogged(first, 'streaming_started')
    const standby = await primary.createStandby()
    onTestFinished(() => standby[Symbol.asyncDispose]())
    await commitRows(primary, 50)
    await archived(await bucket.archive(), await switchSegment(primary))
    expect((await first.stop('SIGTERM')).status).toBe(0)
    const receiver = bucket.receive(standby, directory, '-S', 'drill', '--ensure-slot')
    await streaming(standby)

    const before = await writeWal(primary, 1.5 * SEGMENT_SIZE)
    await caughtUp(standby, before)
    await standby.promote()
    const promotedAt = await forkPoint(standby)
    await commitRows(standby, 70)
    await writeWal(standby, 1.5 * SEGMENT_SIZE)
    await commitRows(standby, 1)
    const end = await switchSegment(standby)
    const archive = await bucket.archive()
    await archived(archive, end)
    await hasLogged(receiver, 'partial_archived')
    expect((await receiver.stop('SIGTERM')).status).toBe(0)

    const left = segmentFileName(1, promotedAt / BigInt(SEGMENT_SIZE), SEGMENT_SIZE)
    expect(await archivedNames(archive)).toContain(`${left}.partial`)
    const partial = (await archive.getSegment(`${left}.partial`))!
    const cut = segmentOffset(promotedAt, SEGMENT_SIZE)
    expect(partial.subarray(cut).every((byte) => byte === 0)).toBe(true)
    const served = await readFile(join(primary.walDirectory, left))
    expect(partial.subarray(0, cut).equals(served.subarray(0, cut))).toBe(true)
    expect(await archive.getHistory(2)).toEqual(
      await readFile(join(standby.walDirectory, '00000002.history')),
    )
    const puts = bucket.proxy.requests.filter(({ method }) => method === 'PUT').map(({ key }) => key)
    const historyAt = puts.findIndex((key) => key.endsWith('history/00000002.history'))
    const segmentAt = puts.findIndex((key) => key.includes('/wal/00000002/'))
    expect(historyAt).toBeGreaterThanOrEqual(0)
    expect(segmentAt).toBeGreaterThan(historyAt)

    const from = await firstArchived(archive)
    await expectArchivedWal(archive, primary.walDirectory, {
      from,
      to: segmentFloor(promotedAt, SEGMENT_SIZE),
    })
    const second = { from: segmentFloor(promotedAt, SEGMENT_SIZE), to: end, timeline: 2 }
    await expectArchivedWal(archive, standby.walDirectory, second)
    await Promise.all([primary.kill(), standby.kill()])

    const restored = await successorOf(base, bucket.restoreCommand())
    await restored.start()
    await promoted(restored)
    expect(await restored.value('SELECT count(*) FROM t')).toBe('121')
    expect(await restored.value('SELECT timeline_id FROM pg_control_checkpoint()')).toBe('3')
  })
})

async function caughtUp(standby: PostgresServer, lsn: Lsn): Promise<void> {
  await waitFor('the standby to catch up', async () => {
    return parseLsn(await standby.value('SELECT pg_last_wal_replay_lsn()')) >= lsn
  })
}

/** Where the second timeline begins, from the history file the server has written. */
async function forkPoint(server: PostgresServer): Promise<Lsn> {
  const history = await readFile(join(server.walDirectory, '00000002.history'), 'utf8')
  return parseLsn(/^1\t(\S+)\t/m.exec(history)![1]!)
}
