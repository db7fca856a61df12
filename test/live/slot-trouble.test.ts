/** A slot or a history that does not fit: what both programs say, and whether they try again. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { expectSameWal, namesIn } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import {
  createSlot,
  keepNoWal,
  launchTestServer,
  MAJOR,
  reported,
  SEGMENT_SIZE,
  streaming,
  switchSegment,
  writeWal,
} from './test-server.js'

const WAITING = /^pg_receivewal: disconnected; waiting 5 seconds to try again$/m

describe(`slots that cannot be used, PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  let directory: string

  beforeAll(async () => {
    server = await launchTestServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    directory = await testDirectory()
  })

  function args(slot: string, ...more: string[]): string[] {
    return ['-D', directory, '-S', slot, '-d', server.dsn, ...more]
  }

  describe('one that another receiver holds', () => {
    let holder: ReceiverProcess

    beforeEach(async () => {
      await createSlot(server, 'busy')
      const other = await testDirectory()
      holder = ReceiverProcess.dropIn(['-D', other, '-S', 'busy', '-d', server.dsn])
      await streaming(server)
      return () => holder[Symbol.asyncDispose]()
    })

    /** Who holds it now may leave, so both wait for that; the stream then begins by itself. */
    async function expectToGetIn(waiting: ReceiverProcess): Promise<void> {
      await holder.stop()
      const end = await writeWal(server, SEGMENT_SIZE / 2)
      await reported(server, 'flush_lsn', end)
      await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
      expect((await waiting.stop()).status).toBe(0)
    }

    it('the drop-in goes round until it is free', async () => {
      await using second = ReceiverProcess.dropIn(args('busy', '--synchronous'))
      await second.said(WAITING)
      expect(second.stderr).toMatch(
        /^pg_receivewal: error: could not send replication command "START_REPLICATION": ERROR: {2}replication slot "busy" is active for PID \d+\n/,
      )
      await expectToGetIn(second)
    })

    it('walship tells who it is and stands by until it is free', async () => {
      await using second = ReceiverProcess.walship(args('busy', '--synchronous'))
      await second.said(
        /"event":"standing_by","waitsFor":"slot".*another receiver streams from slot \\"busy\\" \(process \d+ of/,
      )
      await expectToGetIn(second)
    })

    it.each(['dropIn', 'walship'] as const)('--no-loop ends with status 1 (%s)', async (program) => {
      await using second = ReceiverProcess[program](args('busy', '--no-loop'))
      const { status, stderr } = await second.exit
      expect(status).toBe(1)
      expect(stderr).toContain('is active for PID')
      expect(stderr).toContain('another receiver uses the slot')
      expect(await namesIn(directory)).toEqual([])
    })
  })

  it('one that is not there: the drop-in goes round, walship ends and says how to make it', async () => {
    await using dropIn = ReceiverProcess.dropIn(args('nope'))
    await dropIn.said(WAITING)
    expect(dropIn.stderr).toMatch(
      /ERROR: {2}replication slot "nope" does not exist$|error: replication slot "nope" does not exist$/m,
    )
    await dropIn.stop()

    await using walship = ReceiverProcess.walship(args('nope'))
    const { status, stderr } = await walship.exit
    expect(status).toBe(1)
    expect(stderr).toMatch(/"event":"failed".*"retryable":false.*replication slot \\"nope\\" does not exist/)
    expect(stderr).toContain('--create-slot')
    expect(await namesIn(directory)).toEqual([])
  })

  describe('a logical one', () => {
    let logicalServer: PostgresServer

    beforeAll(async () => {
      logicalServer = await launchTestServer({ settings: { wal_level: 'logical' } })
      await logicalServer.query(`SELECT pg_create_logical_replication_slot('logical', 'test_decoding')`)
    })
    afterAll(() => logicalServer?.[Symbol.asyncDispose]())

    it('is refused in the words of the server, and nothing is written', async () => {
      const common = ['-D', directory, '-S', 'logical', '-d', logicalServer.dsn]
      await using dropIn = ReceiverProcess.dropIn([...common, '-n'])
      const { status, stderr } = await dropIn.exit
      expect(status).toBe(1)
      const [command, reason] =
        MAJOR >= 15
          ? ['READ_REPLICATION_SLOT', 'cannot use READ_REPLICATION_SLOT with a logical replication slot']
          : ['START_REPLICATION', 'cannot use a logical replication slot for physical replication']
      expect(stderr).toContain(
        `pg_receivewal: error: could not send replication command "${command}": ERROR:  ${reason}\n`,
      )
      expect(stderr).toMatch(/pg_receivewal: error: disconnected\n$/)

      await using walship = ReceiverProcess.walship(common)
      expect(await walship.exit).toMatchObject({ status: 1 })
      expect(walship.stderr).toMatch(/"event":"failed".*"retryable":false/)
      expect(walship.stderr).not.toContain('"event":"retrying"')
      expect(await namesIn(directory)).toEqual([])
    })
  })
})

describe(`WAL that the server has removed, PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  let directory: string

  beforeEach(async () => {
    server = await launchTestServer({ settings: keepNoWal(MAJOR) })
    directory = await testDirectory()
    return () => server[Symbol.asyncDispose]()
  })

  /** Receives something, then is away while the server writes and drops what was to come next. */
  async function fallBehind(...more: string[]): Promise<string[]> {
    await using receiver = ReceiverProcess.dropIn(['-D', directory, '-s', '1', '-d', server.dsn, ...more])
    await streaming(server)
    await reported(server, 'write_lsn', await writeWal(server, SEGMENT_SIZE / 2))
    await receiver.stop()
    const wanted = (await namesIn(directory)).at(-1)!.slice(0, 24)
    for (let segment = 0; segment < 4; segment++) {
      await switchSegment(server)
      await writeWal(server, SEGMENT_SIZE / 4)
    }
    await waitFor('the WAL to be removed', async () => {
      // Again and again: server 10 keeps what the last checkpoint but one needs.
      await server.query('CHECKPOINT')
      const [found] = await server.query('SELECT 1 FROM pg_ls_waldir() WHERE name = $1', [wanted])
      return found === undefined
    })
    return namesIn(directory)
  }

  async function expectRefusal(text: RegExp, ...more: string[]): Promise<void> {
    const before = await namesIn(directory)
    await using dropIn = ReceiverProcess.dropIn(['-D', directory, '-d', server.dsn, ...more])
    await dropIn.said(WAITING)
    expect(dropIn.stderr).toMatch(text)
    expect(dropIn.stderr).toMatch(/^pg_receivewal: hint: \S/m)
    await dropIn.stop()

    await using walship = ReceiverProcess.walship(['-D', directory, '-d', server.dsn, ...more])
    const { status, stderr } = await walship.exit
    expect(status).toBe(1)
    expect(stderr).toMatch(/"event":"failed".*"hint":"\S.*"retryable":false/)
    expect(stderr).not.toContain('"event":"retrying"')
    expect(await namesIn(directory)).toEqual(before)
  }

  it('without a slot: says which segment is gone, and does not skip it', async () => {
    const names = await fallBehind()
    const wanted = names.at(-1)!.slice(0, 24)
    await expectRefusal(
      new RegExp(
        `^pg_receivewal: error: unexpected termination of replication stream: ERROR:  requested WAL segment ${wanted} has already been removed$`,
        'm',
      ),
    )
  })

  it('with a slot that was given up: says so, and does not go on beyond the hole', async ({ skip }) => {
    skip(MAJOR < 13, 'max_slot_wal_keep_size came with server 13')
    await server.query(`SELECT pg_create_physical_replication_slot('given_up', true)`)
    await fallBehind('-S', 'given_up')
    const lost = `SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'given_up'`
    expect(await server.value(lost)).toBe('lost')
    await expectRefusal(
      MAJOR >= 18 ? /can no longer access replication slot "given_up"/ : /has already been removed/,
      '-S',
      'given_up',
    )
  })
})
