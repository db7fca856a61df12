/** One prefix and two of something: clusters, which is refused, and receivers, which is allowed. */
import { expect, it } from 'vitest'
import { CommitLoad } from '../../scripts/commit-load.js'
import { namesIn } from '../live/received-wal.js'
import { testDirectory } from '../live/test-directory.js'
import { launchTestServer, MAJOR, switchSegment, writeWal } from '../live/test-server.js'
import { describeWithS3 } from '../support/s3-server.js'
import { archived, archivedNames, expectArchivedWal } from './archived-wal.js'
import { moreCommits } from './cluster-with-base.js'
import { DrillBucket, hasLogged, logged } from './drill-bucket.js'

describeWithS3(`one prefix for two, PostgreSQL ${MAJOR}`, () => {
  it('refuses the second cluster before anything of it is stored', { timeout: 120_000 }, async () => {
    const bucket = await DrillBucket.open()
    await using ours = await launchTestServer()
    await using theirs = await launchTestServer()
    const first = bucket.receive(ours, await testDirectory(), '-S', 'drill', '--ensure-slot')
    await writeWal(ours, 1024)
    const end = await switchSegment(ours)
    await archived(await bucket.archive(), end)
    expect((await first.stop('SIGTERM')).status).toBe(0)
    const before = await bucket.fingerprint()
    expect(before.size).toBeGreaterThanOrEqual(2)

    bucket.proxy.forget()
    const directory = await testDirectory()
    const second = bucket.receive(theirs, directory, '-S', 'drill', '--ensure-slot')
    await switchSegment(theirs)
    const { status, stderr } = await second.exit
    expect(status).toBe(1)
    const [failed] = logged(second, 'failed')
    expect(failed).toMatchObject({ code: 'ARCHIVE_OTHER_CLUSTER' })
    for (const server of [ours, theirs])
      expect(stderr).toContain(await server.value('SELECT system_identifier FROM pg_control_system()'))
    expect(String(failed?.hint)).not.toBe('undefined')
    const changes = bucket.proxy.requests.filter(({ method }) => method !== 'GET' && method !== 'HEAD')
    expect(changes.map(({ method, key }) => `${method} ${key}`)).toEqual([])
    expect(await bucket.fingerprint()).toEqual(before)
    expect(await namesIn(directory)).toEqual([])
  })

  it('takes two receivers of one cluster', { timeout: 120_000 }, async () => {
    const bucket = await DrillBucket.open()
    await using server = await launchTestServer()
    await CommitLoad.prepare(server)
    const options = ['--ensure-slot', '--tail-interval', '0.1']
    const receivers = [
      bucket.receive(server, await testDirectory(), '-S', 'one', ...options),
      bucket.receive(server, await testDirectory(), '-S', 'two', ...options, '--ack', 'archived'),
    ]
    for (const receiver of receivers) await hasLogged(receiver, 'streaming_started')
    const load = await CommitLoad.start(server, 2)
    await moreCommits(load, 1500)
    await load.stop()
    const end = await switchSegment(server)
    const archive = await bucket.archive()
    await archived(archive, end)
    for (const receiver of receivers) {
      await hasLogged(receiver, 'segment_archived', 2)
      expect((await receiver.stop('SIGTERM')).status).toBe(0)
      expect(logged(receiver, 'segment_conflict')).toEqual([])
      expect(logged(receiver, 'segment_failing')).toEqual([])
      expect(logged(receiver, 'warning')).toEqual([])
    }
    const compared = await expectArchivedWal(archive, server.walDirectory, { to: end })
    expect(await archivedNames(archive)).toEqual(compared)
  })
})
