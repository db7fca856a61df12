import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { formatLsn, type Lsn, lsnAdd, parseLsn } from '../../src/wal/index.js'
import { expectSameWal, namesIn } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import {
  createSlot,
  launchTestServer,
  MAJOR,
  SEGMENT_SIZE,
  streaming,
  switchSegment,
  writeWal,
} from './test-server.js'

const SEGMENT = /^[0-9A-F]{24}$/

describe(`--endpos against PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  let directory: string

  beforeAll(async () => {
    server = await launchTestServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    await createSlot(server, 'endpos')
    directory = await testDirectory()
  })

  function receiveTo(end: Lsn, ...more: string[]): ReceiverProcess {
    const args = ['-D', directory, '-S', 'endpos', '-v', '-E', formatLsn(end), '-d', server.dsn]
    return ReceiverProcess.dropIn([...args, ...more])
  }

  /** The start of the segment after the next one: WAL up to there does not exist yet. */
  async function coming(): Promise<Lsn> {
    const next = await switchSegment(server)
    return lsnAdd(next, SEGMENT_SIZE)
  }

  function stoppedAt(stderr: string): Lsn {
    const lines = [...stderr.matchAll(/stopped log streaming at (\S+) \(timeline 1\)/g)]
    expect(lines).toHaveLength(2)
    return parseLsn(lines[0]![1]!)
  }

  it.each([[[]], [['--no-loop']]])('stops only when more than the position was received %s', async (more) => {
    const end = lsnAdd(await coming(), SEGMENT_SIZE / 2)
    await using receiver = receiveTo(end, ...more)
    await streaming(server)
    await writeWal(server, 3 * SEGMENT_SIZE)
    const { status, stderr } = await receiver.exit
    expect(status).toBe(0)
    const stopped = stoppedAt(stderr)
    expect(stopped).toBeGreaterThan(end)
    await expectSameWal(directory, server.walDirectory, { to: stopped, segmentSize: SEGMENT_SIZE })
  })

  it('one byte below a segment boundary: stops with the finished segment and no partial', async () => {
    const boundary = await coming()
    await using receiver = receiveTo(lsnAdd(boundary, -1))
    await streaming(server)
    await writeWal(server, 3 * SEGMENT_SIZE)
    const { status, stderr } = await receiver.exit
    expect(status).toBe(0)
    expect(stoppedAt(stderr)).toBe(boundary)
    expect(stderr).toContain(`finished segment at ${formatLsn(boundary)} (timeline 1)`)
    expect((await namesIn(directory)).filter((name) => !SEGMENT.test(name))).toEqual([])
    await expectSameWal(directory, server.walDirectory, { to: boundary, segmentSize: SEGMENT_SIZE })
  })

  it('a segment boundary: goes on to the first bytes of the next segment', async () => {
    const boundary = await coming()
    await using receiver = receiveTo(boundary)
    await streaming(server)
    await writeWal(server, 3 * SEGMENT_SIZE)
    const { status, stderr } = await receiver.exit
    expect(status).toBe(0)
    const stopped = stoppedAt(stderr)
    expect(stopped).toBeGreaterThan(boundary)
    const partials = (await namesIn(directory)).filter((name) => name.endsWith('.partial'))
    expect(partials).toHaveLength(1)
    expect(stderr).toContain(`not renaming "${partials[0]}", segment is not complete`)
    await expectSameWal(directory, server.walDirectory, { to: stopped, segmentSize: SEGMENT_SIZE })
  })

  it('a position before the start: nothing is streamed, and that is a success', async () => {
    await using receiver = receiveTo(parseLsn('0/1'))
    const { status, stderr } = await receiver.exit
    expect(status).toBe(0)
    // The first line comes before the look at the end position, and the second one then only once.
    const at = '(\\S+) \\(timeline 1\\)\n'
    expect(stderr).toMatch(
      new RegExp(
        `^pg_receivewal: starting log streaming at ${at}pg_receivewal: stopped log streaming at \\1 .*\n$`,
      ),
    )
    expect(await namesIn(directory)).toEqual([])
  })
})
