/** A server recovers while the store goes away: it must stop, not promote, and go on when the store is back. */
import { expect, it } from 'vitest'
import { CommitLoad } from '../../scripts/commit-load.js'
import { waitFor } from '../../scripts/wait-for.js'
import { testDirectory } from '../live/test-directory.js'
import { MAJOR, streaming, switchSegment } from '../live/test-server.js'
import { slowDown } from '../support/fault-proxy.js'
import { describeWithS3 } from '../support/s3-server.js'
import { archived } from './archived-wal.js'
import { destroy, launchWithBase, moreCommits, promoted, successorOf } from './cluster-with-base.js'
import { DrillBucket } from './drill-bucket.js'

describeWithS3(`recovery of PostgreSQL ${MAJOR} during an outage`, () => {
  it('never promotes, and completes when the store is back', { timeout: 120_000 }, async () => {
    const bucket = await DrillBucket.open()
    const { server, base } = await launchWithBase()
    const receiver = bucket.receive(server, await testDirectory(), '-S', 'drill', '--ensure-slot')
    await streaming(server)
    const load = await CommitLoad.start(server, 2)
    await moreCommits(load, 2000)
    await load.stop()
    await archived(await bucket.archive(), await switchSegment(server))
    await receiver.stop('SIGTERM')
    await destroy(server)

    // The third segment that recovery asks for, and everything after it, meets a store that fails.
    const command = bucket.restoreCommand('--retry-for', '1', '--prefetch', '0', '--s3-attempts', '1')
    const restored = await successorOf(base, command)
    const outage = bucket.proxy.plan({ key: /\/wal\// }, slowDown, {
      nth: 3,
      times: Number.POSITIVE_INFINITY,
    })
    await restored.start().catch(() => undefined)
    await stopped(1)
    outage.remove()
    await bucket.proxy.refuse()
    await restored.start().catch(() => undefined)
    await stopped(2)
    expect(await restored.log()).not.toContain('archive recovery complete')

    await bucket.proxy.accept()
    await restored.start()
    await promoted(restored)
    expect((await load.compareWith(restored)).missing).toBe(0)

    async function stopped(times: number): Promise<void> {
      const fatal = new RegExp(`(FATAL: +could not restore file "[^]*exit code 200[^]*){${times}}`)
      await waitFor('the server to stop', async () => fatal.test(await restored.log()))
      await restored.kill()
    }
  })
})
