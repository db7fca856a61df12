/** Requests fail in every way while the receiver is killed again and again: the archive stays right. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { CommitLoad } from '../../scripts/commit-load.js'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { testDirectory } from '../live/test-directory.js'
import { launchTestServer, MAJOR, streaming, switchSegment } from '../live/test-server.js'
import { EVERY_FAULT } from '../support/fault-proxy.js'
import { below, randomNumbers } from '../support/random.js'
import { describeWithS3 } from '../support/s3-server.js'
import { archived, archivedNames, expectArchivedWal } from './archived-wal.js'
import { DrillBucket, logged } from './drill-bucket.js'
import { LONG } from './long.js'

const SEED = Number(process.env.WALSHIP_TEST_SEED ?? 20_250_101)
const KILL_COUNT = LONG ? 60 : 5
const REQUESTS_BETWEEN_KILLS = 50
const BULK_INTERVAL_MS = 20
const FAULT_COUNT = LONG ? 4000 : 400
/** One request in so many is a victim. */
const FAULT_SPACING = 3

/** WAL that waits for no standby, so that segments fill however slow commits are. Returns what ends it. */
async function startBulkWal(server: PostgresServer): Promise<() => Promise<void>> {
  const client = await server.connect()
  let stopped = false
  const emit = async () => {
    for (; !stopped; await sleep(BULK_INTERVAL_MS))
      await client.query(`SELECT pg_logical_emit_message(false, 'bulk', repeat(md5(random()::text), 2048))`)
    await client.end()
  }
  const emitting = emit()
  return () => {
    stopped = true
    return emitting
  }
}

describeWithS3(`faults and kills at random, PostgreSQL ${MAJOR}`, () => {
  it.each(['flushed', 'archived'])(
    `leave the archive byte for byte the server's (--ack %s, seed ${SEED})`,
    { timeout: LONG ? 900_000 : 120_000 },
    async (ack) => {
      const numbers = randomNumbers(SEED)
      const random = (limit: number) => below(numbers, limit)
      const bucket = await DrillBucket.open()
      const directory = await testDirectory()
      // Its WAL would come when the load is over, behind the end that is looked at.
      await using server = await launchTestServer({ settings: { autovacuum: false } })
      await CommitLoad.prepare(server)
      const receive = () =>
        bucket.receive(
          server,
          directory,
          '-S',
          'drill',
          '--ensure-slot',
          '--ack',
          ack,
          '--tail-interval',
          '0.2',
        )
      let receiver = receive()
      await streaming(server)
      if (ack === 'archived') {
        await server.configure({ synchronous_standby_names: 'walship_standby' })
        await server.reload()
      }
      for (let nth = 1, planned = 0; planned < FAULT_COUNT; planned++) {
        nth += 1 + random(2 * FAULT_SPACING)
        // Half of the victims are uploads, whose answers matter most.
        const match = random(2) === 0 ? { method: 'PUT' } : {}
        bucket.proxy.plan(match, EVERY_FAULT[random(EVERY_FAULT.length)]!, { nth })
      }

      const load = await CommitLoad.start(server, 2)
      const stopBulk = await startBulkWal(server)
      const moreRequests = (count: number) => {
        const goal = bucket.proxy.requests.length + count
        return waitFor(`${count} more requests`, () => bucket.proxy.requests.length >= goal)
      }
      const conflicts: unknown[] = []
      for (let kill = 0; kill < KILL_COUNT; kill++) {
        await moreRequests(1 + random(REQUESTS_BETWEEN_KILLS))
        await receiver.stop('SIGKILL')
        conflicts.push(...logged(receiver, 'segment_conflict'))
        receiver = receive()
      }
      await moreRequests(REQUESTS_BETWEEN_KILLS)
      await Promise.all([load.stop(), stopBulk()])
      const hits = bucket.proxy.requests.filter(({ fault }) => fault !== null).length
      bucket.proxy.heal()
      const end = await switchSegment(server)
      const archive = await bucket.archive()
      await archived(archive, end, 60_000)
      conflicts.push(...logged(receiver, 'segment_conflict'))
      expect((await receiver.stop('SIGTERM')).status).toBe(0)

      const compared = await expectArchivedWal(archive, server.walDirectory, { to: end })
      console.log(
        `faults: ${hits} requests hit, ${KILL_COUNT} kills, ${compared.length} segments equal (--ack ${ack})`,
      )
      expect(hits).toBeGreaterThan(20)
      expect(conflicts).toEqual([])
      const names = await archivedNames(archive)
      expect(names).toEqual(compared)
      const keys = (await bucket.objects()).map(({ key }) => key).filter((key) => key.startsWith('wal/'))
      expect(keys).toHaveLength(names.length)
    },
  )
})
