/** The store is away under load: receiving goes on, and afterwards nothing is missing in the archive. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { CommitLoad } from '../../scripts/commit-load.js'
import { waitFor } from '../../scripts/wait-for.js'
import { parseLsn } from '../../src/wal/index.js'
import { testDirectory } from '../live/test-directory.js'
import {
  launchTestServer,
  MAJOR,
  reported,
  SEGMENT_SIZE,
  streaming,
  switchSegment,
  writeWal,
} from '../live/test-server.js'
import { slowDown } from '../support/fault-proxy.js'
import { describeWithS3 } from '../support/s3-server.js'
import { archived, expectArchivedWal } from './archived-wal.js'
import { moreCommits } from './cluster-with-base.js'
import { DrillBucket, hasLogged, logged } from './drill-bucket.js'
import { LONG } from './long.js'

const CLIENT_COUNT = 2
const COMMITS_PER_PHASE = LONG ? 5000 : 300
/** Each kind of outage lasts this long at least; commits go on meanwhile. */
const PHASE_MS = LONG ? 60_000 : 1500

function rssMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024)
}

describeWithS3(`an outage of the store, PostgreSQL ${MAJOR}`, () => {
  it('holds up no commit, and leaves no trace in the archive', {
    timeout: LONG ? 600_000 : 120_000,
  }, async () => {
    const bucket = await DrillBucket.open()
    const directory = await testDirectory()
    const server = await launchTestServer()
    await using _ = server
    await CommitLoad.prepare(server)
    await server.configure({ synchronous_standby_names: 'walship_standby' })
    const receive = () =>
      bucket.receive(
        server,
        directory,
        ...['-S', 'drill', '--ensure-slot', '--synchronous', '--s3-idle-timeout', '1', '--s3-attempts', '2'],
      )
    let receiver = receive()
    await streaming(server)
    await server.reload()
    const load = await CommitLoad.start(server, CLIENT_COUNT)
    await moreCommits(load, COMMITS_PER_PHASE)
    await hasLogged(receiver, 'segment_archived')
    const rss: Record<string, number> = { before: rssMb(receiver.pid) }
    const phase = async (name: string) => {
      await Promise.all([moreCommits(load, COMMITS_PER_PHASE), sleep(PHASE_MS)])
      rss[name] = rssMb(receiver.pid)
    }

    await bucket.proxy.refuse()
    await hasLogged(receiver, 'store_failing')
    await phase('refused')
    bucket.proxy.plan({}, slowDown, { times: Number.POSITIVE_INFINITY })
    await bucket.proxy.accept()
    await phase('slow down')
    expect(logged(receiver, 'store_failing')).toHaveLength(1)
    expect(logged(receiver, 'store_recovered')).toHaveLength(0)

    await receiver.stop('SIGKILL')
    receiver = receive()
    await hasLogged(receiver, 'store_failing')
    await phase('restarted')
    bucket.proxy.heal()
    bucket.proxy.plan({}, { kind: 'stall', at: 'after body' }, { times: Number.POSITIVE_INFINITY })
    await phase('stalled')
    expect(logged(receiver, 'store_failing')).toHaveLength(1)
    const failuresSeen = bucket.proxy.requests.filter(({ fault }) => fault !== null).length
    expect(failuresSeen).toBeGreaterThan(0)

    bucket.proxy.heal()
    await hasLogged(receiver, 'store_recovered')
    await phase('recovered')
    await load.stop()
    const end = await switchSegment(server)
    await reported(server, 'write_lsn', end)
    const archive = await bucket.archive()
    await archived(archive, end)
    const compared = await expectArchivedWal(archive, server.walDirectory, { to: end })
    console.log(`outage: ${load.acknowledged} commits, ${compared.length} segments equal, RSS in MB`, rss)
    expect(compared.length).toBeGreaterThan((COMMITS_PER_PHASE * 5 * 4000) / SEGMENT_SIZE / 2)
    const [recovered] = logged(receiver, 'store_recovered')
    expect(recovered?.failures).toBeGreaterThan(0)
    expect(logged(receiver, 'store_failing')).toHaveLength(1)
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
  })

  it('makes commits wait at --ack archived, and lets them go on afterwards', {
    timeout: 120_000,
  }, async () => {
    const bucket = await DrillBucket.open()
    const directory = await testDirectory()
    await using server = await launchTestServer()
    await CommitLoad.prepare(server)
    const receiver = bucket.receive(server, directory, '-S', 'drill', '--ensure-slot', '--ack', 'archived')
    await streaming(server)
    await server.configure({ synchronous_standby_names: 'walship_standby' })
    await server.reload()
    const load = await CommitLoad.start(server, CLIENT_COUNT)
    await moreCommits(load, 50)

    await bucket.proxy.refuse()
    await hasLogged(receiver, 'store_failing')
    await waitFor('every client to wait', async () => {
      const waiting = `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`
      return Number(await server.value(waiting)) === CLIENT_COUNT
    })
    const waitingAt = load.acknowledged
    // Written is not archived: the receiver has the bytes, and still no client is told so.
    const written = parseLsn(await server.value('SELECT pg_current_wal_flush_lsn()'))
    await reported(server, 'write_lsn', written)
    expect(load.acknowledged).toBe(waitingAt)
    const flushed = await server.value(`SELECT flush_lsn FROM pg_stat_replication`)
    expect(parseLsn(flushed)).toBeLessThan(written)
    const { lsn: reach } = (await (await bucket.archive()).findEnd())!
    expect(parseLsn(flushed)).toBeLessThanOrEqual(reach)

    await bucket.proxy.accept()
    await moreCommits(load, 50)
    await load.stop()
    expect(logged(receiver, 'store_failing')).toHaveLength(1)
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
  })

  it('does not keep the server from shutting down at --ack archived', { timeout: 180_000 }, async () => {
    const bucket = await DrillBucket.open()
    const directory = await testDirectory()
    await using server = await launchTestServer()
    const receiver = bucket.receive(server, directory, '-S', 'drill', '--ensure-slot', '--ack', 'archived')
    await streaming(server)
    await archived(await bucket.archive(), await writeWal(server, 1024))
    await bucket.proxy.refuse()
    const written = await writeWal(server, 64 * 1024)
    await reported(server, 'write_lsn', written)
    await server.stop('fast')
    // What the server gave up waiting for is still asked for when it is back: the slot has kept it.
    await bucket.proxy.accept()
    await server.start()
    const archive = await bucket.archive()
    const end = await switchSegment(server)
    await archived(archive, end)
    await expectArchivedWal(archive, server.walDirectory, { to: end })
    expect((await receiver.stop('SIGTERM')).status).toBe(0)
  })
})
