import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { type Lsn, parseLsn, segmentFileName, segmentFloor } from '../../src/wal/index.js'
import { expectSameWal, firstReceived, namesIn } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import { launchTestServer, MAJOR, reported, SEGMENT_SIZE, streaming, writeWal } from './test-server.js'

describe(`promotion of a PostgreSQL ${MAJOR} standby`, () => {
  let primary: PostgresServer
  let standby: PostgresServer
  let directory: string

  beforeEach(async () => {
    primary = await launchTestServer()
    onTestFinished(() => primary[Symbol.asyncDispose]())
    standby = await primary.createStandby()
    onTestFinished(() => standby[Symbol.asyncDispose]())
    await standby.query(`SELECT pg_create_physical_replication_slot('promotion', true)`)
    directory = await testDirectory()
  })

  function args(...more: string[]): string[] {
    return ['-D', directory, '-S', 'promotion', '--synchronous', '-v', '-d', standby.dsn, ...more]
  }

  /** Writes on the primary until its standby has it all. */
  async function writeThrough(byteCount: number): Promise<Lsn> {
    const end = await writeWal(primary, byteCount)
    await waitFor('the standby to catch up', async () => {
      return parseLsn(await standby.value('SELECT pg_last_wal_receive_lsn()')) >= end
    })
    return end
  }

  /** Where the second timeline begins, from the history file the server has written. */
  async function forkPoint(): Promise<Lsn> {
    const history = await readFile(join(standby.walDirectory, '00000002.history'), 'utf8')
    return parseLsn(/^1\t(\S+)\t/m.exec(history)![1]!)
  }

  /** Both timelines, the history file, and the first timeline's last segment as it was left. */
  async function expectBothTimelines(first: Lsn, end: Lsn): Promise<void> {
    const fork = await forkPoint()
    const leftAt = segmentFileName(1, fork / BigInt(SEGMENT_SIZE), SEGMENT_SIZE)
    expect(await namesIn(directory)).toContain(`${leftAt}.partial`)
    const received = await readFile(join(directory, '00000002.history'))
    expect(received).toEqual(await readFile(join(standby.walDirectory, '00000002.history')))
    // The server renames its own last file of the old timeline, so the primary's serves for comparison.
    const segmentSize = SEGMENT_SIZE
    await expectSameWal(directory, primary.walDirectory, { from: first, to: fork, segmentSize })
    const from = segmentFloor(fork, segmentSize)
    await expectSameWal(directory, standby.walDirectory, { from, to: end, segmentSize, timeline: 2 })
  }

  it('is followed in mid-stream', async () => {
    await using receiver = ReceiverProcess.dropIn(args())
    await streaming(standby)
    const before = await writeThrough(1.5 * SEGMENT_SIZE)
    await reported(standby, 'flush_lsn', before)
    const first = await firstReceived(directory, SEGMENT_SIZE)
    await standby.promote()
    const end = await writeWal(standby, 1.5 * SEGMENT_SIZE)
    await reported(standby, 'flush_lsn', end)
    expect(receiver.stderr).toMatch(/^pg_receivewal: switched to timeline 2 at \S+$/m)
    expect(receiver.stderr).not.toContain('disconnected')
    await expectBothTimelines(first, end)
    expect((await receiver.stop()).status).toBe(0)
  })

  it('is followed by a receiver that was away meanwhile', async () => {
    await using before = ReceiverProcess.dropIn(args())
    await streaming(standby)
    await reported(standby, 'flush_lsn', await writeThrough(0.5 * SEGMENT_SIZE))
    expect((await before.stop()).status).toBe(0)
    const first = await firstReceived(directory, SEGMENT_SIZE)
    await writeThrough(1.5 * SEGMENT_SIZE)
    await standby.promote()

    await using after = ReceiverProcess.dropIn(args())
    const end = await writeWal(standby, 1.5 * SEGMENT_SIZE)
    await reported(standby, 'flush_lsn', end)
    await expectBothTimelines(first, end)
    expect((await after.stop()).status).toBe(0)
  })
})
