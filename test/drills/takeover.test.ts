/** Two receivers on one slot and one archive, of which the working one is killed again and again. */
import { mkdir, rm } from 'node:fs/promises'
import { expect, it, onTestFinished } from 'vitest'
import { CommitLoad } from '../../scripts/commit-load.js'
import { waitFor } from '../../scripts/wait-for.js'
import { formatLsn, parseLsn, segmentFloor } from '../../src/wal/index.js'
import type { ReceiverProcess } from '../live/receiver-process.js'
import { testDirectory } from '../live/test-directory.js'
import {
  keepNoWal,
  launchTestServer,
  MAJOR,
  reported,
  SEGMENT_SIZE,
  switchSegment,
  writeWal,
} from '../live/test-server.js'
import { describeWithS3 } from '../support/s3-server.js'
import { archived, expectArchivedWal } from './archived-wal.js'
import { destroy, launchWithBase, moreCommits, promoted, successorOf } from './cluster-with-base.js'
import { DrillBucket, hasLogged, logged } from './drill-bucket.js'
import { LONG } from './long.js'

const CLIENT_COUNT = 4
const TURNS = LONG ? 40 : 6
const COMMITS_PER_TURN = LONG ? 1000 : 150

describeWithS3(`two receivers of PostgreSQL ${MAJOR} on one slot`, () => {
  it('lose no acknowledged commit at --ack archived, whoever dies', {
    timeout: LONG ? 900_000 : 240_000,
  }, async () => {
    const bucket = await DrillBucket.open()
    const { server, base } = await launchWithBase({ synchronous_standby_names: 'walship_standby' })
    const directories = [await testDirectory(), await testDirectory()]
    const receive = (directory: string) =>
      bucket.receive(server, directory, '-S', 'drill', '--ensure-slot', '--ack', 'archived')
    let active = receive(directories[0]!)
    await hasLogged(active, 'streaming_started')
    let waiting = receive(directories[1]!)
    await hasLogged(waiting, 'standing_by')
    const load = await CommitLoad.start(server, CLIENT_COUNT)
    const takeovers: number[] = []
    for (let turn = 0; turn < TURNS; turn++) {
      await moreCommits(load, COMMITS_PER_TURN)
      const killedAt = Date.now()
      await active.stop('SIGKILL')
      await hasLogged(waiting, 'streaming_started')
      takeovers.push(Date.now() - killedAt)
      await moreCommits(load, 1)
      const dead = turn % 2
      expect(logged(waiting, 'standing_by')).toHaveLength(1)
      // Each second time with its disk.
      if (turn % 4 >= 2) {
        await rm(directories[dead]!, { recursive: true })
        await mkdir(directories[dead]!)
      }
      active = waiting
      waiting = receive(directories[dead]!)
      await hasLogged(waiting, 'standing_by')
    }
    await moreCommits(load, COMMITS_PER_TURN)
    console.log(`takeovers in ms: ${takeovers.join(', ')}`)
    await Promise.all([destroy(server), active.stop('SIGKILL'), waiting.stop('SIGKILL')])
    await load.stop()
    for (const receiver of [active, waiting])
      for (const event of ['segment_conflict', 'coverage_gap', 'attempt_failed'])
        expect(logged(receiver, event).filter(({ code }) => code !== 'PG_CONNECTION_LOST')).toEqual([])

    const restored = await successorOf(base, bucket.restoreCommand())
    await restored.start()
    await promoted(restored)
    const { present, missing } = await load.compareWith(restored)
    expect({ missing, present: present >= load.acknowledged }).toEqual({ missing: 0, present: true })
    expect(load.acknowledged).toBeGreaterThanOrEqual(TURNS * COMMITS_PER_TURN)
  })

  it('at --ack flushed what only the dead one has is named as a gap, and closed when it is back', {
    timeout: 120_000,
  }, async () => {
    const bucket = await DrillBucket.open()
    const server = await launchTestServer({ settings: { ...keepNoWal(MAJOR), max_wal_size: '1GB' } })
    onTestFinished(() => server[Symbol.asyncDispose]())
    const directories = [await testDirectory(), await testDirectory()]
    const receive = (directory: string): ReceiverProcess =>
      bucket.receive(
        server,
        directory,
        '-S',
        'drill',
        '--ensure-slot',
        '--synchronous',
        '--tail-interval',
        '0',
      )
    const first = receive(directories[0]!)
    await hasLogged(first, 'streaming_started')
    await writeWal(server, 1.5 * SEGMENT_SIZE)
    const archive = await bucket.archive()
    const archivedEnd = await switchSegment(server)
    await archived(archive, archivedEnd)

    // The store is away: what is received now is on one disk only, and the server is told that it is safe.
    await bucket.proxy.refuse()
    for (let segment = 0; segment < 4; segment++) {
      await writeWal(server, SEGMENT_SIZE / 2)
      await reported(server, 'flush_lsn', await switchSegment(server))
    }
    await first.stop('SIGKILL')
    await bucket.proxy.accept()
    await waitFor('the slot to have left it behind', async () => {
      await server.query('CHECKPOINT')
      const oldest = await server.value(`SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'`)
      return BigInt(`0x${oldest.slice(16)}`) * BigInt(SEGMENT_SIZE) > archivedEnd + BigInt(SEGMENT_SIZE)
    })

    const second = receive(directories[1]!)
    expect((await second.exit).status).toBe(1)
    const [failed] = logged(second, 'failed')
    expect(failed).toMatchObject({ code: 'RECEIVE_GAP', context: { from: formatLsn(archivedEnd) } })
    // Before server 15 nobody can ask for the slot's position, and it goes on where the server is.
    if (MAJOR >= 15) {
      const slot = parseLsn(await server.value('SELECT restart_lsn FROM pg_replication_slots'))
      expect(failed!.context).toMatchObject({ to: formatLsn(segmentFloor(slot, SEGMENT_SIZE)) })
    }

    // Its disk is there after all: it goes on, and the archive gets what was missing.
    const back = receive(directories[0]!)
    await hasLogged(back, 'streaming_started')
    const end = await switchSegment(server)
    await archived(archive, end)
    expect(logged(back, 'coverage_gap')).toEqual([])
    await back.stop('SIGTERM')
    const served = await expectArchivedWal(archive, directories[0]!, { to: end })
    expect(served.length).toBeGreaterThanOrEqual(5)
  })
})
