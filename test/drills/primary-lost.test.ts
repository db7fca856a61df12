/** The primary and its disk are destroyed in mid-load, the receiver and its directory with them. */
import { mkdir, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { CommitLoad } from '../../scripts/commit-load.js'
import { testDirectory } from '../live/test-directory.js'
import { MAJOR, streaming } from '../live/test-server.js'
import { describeWithS3 } from '../support/s3-server.js'
import { destroy, launchWithBase, moreCommits, promoted, successorOf } from './cluster-with-base.js'
import { DrillBucket } from './drill-bucket.js'
import { LONG } from './long.js'

const CLIENT_COUNT = 4
const COMMITS = LONG ? 20_000 : 600
/** The load lasts so long at least: several tail intervals. */
const LOAD_MS = 3500
/** What the tail interval of a second may lose at most, on a machine that is busy with other tests. */
const LOSS_LIMIT_MS = 5000

describeWithS3(`the loss of PostgreSQL ${MAJOR} and of the receiver, with their disks`, () => {
  /**
   * Runs the load until the disaster; returns what was promised until then and what the bucket gives back.
   *
   * @param receiverLosses how often the receiver alone dies before, and its directory with it
   */
  async function disaster(
    { synchronousStandby, receiverLosses }: { synchronousStandby: string; receiverLosses: number },
    ...options: string[]
  ): Promise<{ load: CommitLoad; destroyedAt: number; restored: Awaited<ReturnType<typeof successorOf>> }> {
    const bucket = await DrillBucket.open()
    const directory = await testDirectory()
    const { server, base } = await launchWithBase({ synchronous_standby_names: synchronousStandby })
    const receive = () =>
      bucket.receive(server, directory, '-S', 'drill', '--ensure-slot', '--synchronous', ...options)
    let receiver = receive()
    await streaming(server)
    const load = await CommitLoad.start(server, CLIENT_COUNT)
    for (let loss = 0; loss < receiverLosses; loss++) {
      await moreCommits(load, COMMITS)
      await receiver.stop('SIGKILL')
      await rm(directory, { recursive: true })
      await mkdir(directory)
      receiver = receive()
    }
    await Promise.all([moreCommits(load, COMMITS), sleep(LOAD_MS)])
    const destroyedAt = Date.now()
    await Promise.all([destroy(server), receiver.stop('SIGKILL')])
    await rm(directory, { recursive: true })
    await load.stop()

    const restored = await successorOf(base, bucket.restoreCommand())
    await restored.start()
    await promoted(restored)
    return { load, destroyedAt, restored }
  }

  it('loses no acknowledged commit at --ack archived', { timeout: 180_000 }, async () => {
    const { load, restored } = await disaster(
      { synchronousStandby: 'walship_standby', receiverLosses: 2 },
      '--ack',
      'archived',
    )
    const { present, missing } = await load.compareWith(restored)
    expect({ missing, present: present >= load.acknowledged }).toEqual({ missing: 0, present: true })
    expect(load.acknowledged).toBeGreaterThanOrEqual(COMMITS)
  })

  it('loses about a second at most with the default tail', { timeout: 180_000 }, async () => {
    const { load, destroyedAt, restored } = await disaster({ synchronousStandby: '', receiverLosses: 0 })
    const { present, missing, firstMissingAt } = await load.compareWith(restored)
    const lossMs = firstMissingAt === null ? 0 : destroyedAt - firstMissingAt
    console.log(`default tail: ${missing} of ${load.acknowledged} commits lost, the oldest ${lossMs} ms old`)
    expect(present).toBeGreaterThan(0)
    expect(lossMs).toBeLessThanOrEqual(LOSS_LIMIT_MS)
  })
})
