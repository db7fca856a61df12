/** --keep-local: files leave the directory only once the archive has them, and a restart goes on from what stays. */
import { expect, it } from 'vitest'
import { waitFor } from '../../scripts/wait-for.js'
import { isSegmentFileName } from '../../src/wal/index.js'
import { namesIn } from '../live/received-wal.js'
import { testDirectory } from '../live/test-directory.js'
import {
  launchTestServer,
  MAJOR,
  reported,
  SEGMENT_SIZE,
  switchSegment,
  writeWal,
} from '../live/test-server.js'
import { slowDown } from '../support/fault-proxy.js'
import { describeWithS3 } from '../support/s3-server.js'
import { archived, archivedNames, expectArchivedWal } from './archived-wal.js'
import { DrillBucket, hasLogged } from './drill-bucket.js'

describeWithS3(`--keep-local 1 with PostgreSQL ${MAJOR}`, () => {
  it('removes what is archived, keeps the rest and the newest', { timeout: 120_000 }, async () => {
    const bucket = await DrillBucket.open()
    const directory = await testDirectory()
    await using server = await launchTestServer()
    const finished = async () => (await namesIn(directory)).filter(isSegmentFileName)
    const writeSegments = async (count: number) => {
      for (let number = 0; number < count; number++) {
        await writeWal(server, SEGMENT_SIZE / 4)
        await switchSegment(server)
      }
      // Something behind the switch, so that the last segment is left for the next one.
      return writeWal(server, 1024)
    }
    const receive = () =>
      bucket.receive(server, directory, '-S', 'drill', '--ensure-slot', '--synchronous', '--keep-local', '1')
    let receiver = receive()
    await hasLogged(receiver, 'streaming_started')
    const first = await writeSegments(4)
    const archive = await bucket.archive()
    await archived(archive, first)
    await waitFor('one finished segment to stay', async () => (await finished()).length === 1)
    expect(await finished()).toEqual((await archivedNames(archive)).slice(-1))

    const outage = bucket.proxy.plan({}, slowDown, { times: Number.POSITIVE_INFINITY })
    const archivedBefore = await archivedNames(archive)
    const second = await writeSegments(4)
    await reported(server, 'flush_lsn', second)
    const inArchive = await archivedNames(archive)
    expect(inArchive).toEqual(archivedBefore)
    expect((await finished()).filter((name) => !inArchive.includes(name))).toHaveLength(4)

    // A restart in mid-outage begins with what the directory holds, and takes nothing away.
    await receiver.stop('SIGKILL')
    receiver = receive()
    await hasLogged(receiver, 'streaming_started')
    const third = await writeSegments(1)
    await reported(server, 'flush_lsn', third)
    expect((await finished()).filter((name) => !inArchive.includes(name))).toHaveLength(5)

    outage.remove()
    await archived(archive, third)
    await waitFor('one finished segment to stay', async () => (await finished()).length === 1)
    expect((await receiver.stop('SIGTERM')).status).toBe(0)

    receiver = receive()
    await hasLogged(receiver, 'streaming_started')
    const last = await writeSegments(2)
    await archived(archive, last)
    await waitFor('one finished segment to stay', async () => (await finished()).length === 1)
    expect(await finished()).toEqual((await archivedNames(archive)).slice(-1))
    const compared = await expectArchivedWal(archive, server.walDirectory, { to: last })
    expect(await archivedNames(archive)).toEqual(compared)
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
  })
})
