import { execFileSync, spawnSync } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { expectSameWal, firstReceived, namesIn } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import {
  createSlot,
  launchTestServer,
  MAJOR,
  reported,
  SEGMENT_SIZE,
  slotLsn,
  streaming,
  writeWal,
} from './test-server.js'

const KILL_COUNT = 8

describe(`streaming from PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  let directory: string

  beforeAll(async () => {
    server = await launchTestServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    await createSlot(server, 'streaming')
    directory = await testDirectory()
  })

  function args(...more: string[]): string[] {
    return ['-D', directory, '-S', 'streaming', '-d', server.dsn, ...more]
  }

  it('writes segments that are byte-equal to pg_wal, under final names, with mode 0600', async () => {
    await using receiver = ReceiverProcess.dropIn(args('--synchronous'))
    await streaming(server)
    const end = await writeWal(server, 3 * SEGMENT_SIZE)
    await reported(server, 'flush_lsn', end)
    await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
    const names = await namesIn(directory)
    expect(names.filter((name) => name.endsWith('.partial'))).toEqual([names.at(-1)])
    expect(names.slice(0, -1).filter((name) => !/^[0-9A-F]{24}$/.test(name))).toEqual([])
    for (const name of names) {
      const { mode, size } = await stat(join(directory, name))
      expect([name, mode & 0o777, size]).toEqual([name, 0o600, SEGMENT_SIZE])
    }
    expect(await receiver.stop()).toMatchObject({ status: 0, stdout: '' })
  })

  it('acknowledges all it has when it is stopped, and goes on from the partial', async () => {
    await using first = ReceiverProcess.dropIn(args('-s', '1'))
    await streaming(server)
    const firstEnd = await writeWal(server, SEGMENT_SIZE / 2)
    await reported(server, 'write_lsn', firstEnd)
    expect((await first.stop('SIGTERM')).status).toBe(0)
    expect(await slotLsn(server, 'streaming')).toBeGreaterThanOrEqual(firstEnd)
    await expectSameWal(directory, server.walDirectory, { to: firstEnd, segmentSize: SEGMENT_SIZE })

    await using second = ReceiverProcess.dropIn(args('--synchronous'))
    const end = await writeWal(server, SEGMENT_SIZE)
    await reported(server, 'flush_lsn', end)
    await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
    expect((await second.stop()).status).toBe(0)
  })

  it('starts at the slot, where the server can tell its position', async ({ skip }) => {
    skip(MAJOR < 15, 'READ_REPLICATION_SLOT came with server 15')
    const start = await slotLsn(server, 'streaming')
    const end = await writeWal(server, 2 * SEGMENT_SIZE)
    await using receiver = ReceiverProcess.dropIn(args('--synchronous'))
    await reported(server, 'flush_lsn', end)
    expect(await firstReceived(directory, SEGMENT_SIZE)).toBe(start - (start % BigInt(SEGMENT_SIZE)))
    expect((await receiver.stop()).status).toBe(0)
  })

  it('has on disk what it acknowledged, whenever it is killed', async () => {
    let finished = false
    const load = (async () => {
      while (!finished) await writeWal(server, 256 * 1024)
    })()
    try {
      for (let kill = 0; kill < KILL_COUNT; kill++) {
        await using receiver = ReceiverProcess.walship(args('--synchronous'))
        // The first report only says where it begins, and before server 15 that may be beyond the slot.
        await waitFor('a first file', async () => (await namesIn(directory)).length > 0)
        const goal = (await slotLsn(server, 'streaming')) + BigInt(Math.ceil(Math.random() * SEGMENT_SIZE))
        await waitFor('more to be acknowledged', async () => (await slotLsn(server, 'streaming')) > goal)
        await receiver.stop('SIGKILL')
        const acknowledged = await slotLsn(server, 'streaming')
        await expectSameWal(directory, server.walDirectory, { to: acknowledged, segmentSize: SEGMENT_SIZE })
      }
    } finally {
      finished = true
      await load
    }
    await using last = ReceiverProcess.walship(args('--synchronous'))
    const end = await writeWal(server, SEGMENT_SIZE)
    await reported(server, 'flush_lsn', end)
    await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
    expect((await last.stop('SIGTERM')).status).toBe(0)
  })

  it.each([
    ['gzip', 'gzip', '.gz'],
    ['gzip:9', 'gzip', '.gz'],
    ['lz4', 'lz4', '.lz4'],
  ])('-Z %s: the stock %s opens the files, and finds the same bytes', async (method, tool, suffix) => {
    await using receiver = ReceiverProcess.dropIn(args('-Z', method, '--synchronous'))
    await streaming(server)
    const end = await writeWal(server, 2 * SEGMENT_SIZE)
    await reported(server, 'flush_lsn', end)
    expect((await receiver.stop()).status).toBe(0)
    await expectSameWal(directory, server.walDirectory, { to: end, segmentSize: SEGMENT_SIZE })
    const names = await namesIn(directory)
    expect(names.filter((name) => name.endsWith('.partial'))).toHaveLength(1)
    const available = spawnSync(tool, ['--version']).status === 0
    if (!available) console.warn(`!! ${tool} is not installed: only our own decoder has opened the files`)
    for (const name of names) {
      expect(name.slice(24)).toMatch(new RegExp(`^\\${suffix}(\\.partial)?$`))
      if (available) execFileSync(tool, ['-t', '-'], { input: await readFile(join(directory, name)) })
    }
  })
})
