/** From a receiver that archives to what walship list and walship locate print, with the built programs. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { waitFor } from '../../scripts/wait-for.js'
import { ReceiverProcess } from '../live/receiver-process.js'
import { testDirectory } from '../live/test-directory.js'
import { launchTestServer, MAJOR, SEGMENT_SIZE, switchSegment, writeWal } from '../live/test-server.js'

async function run(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await ReceiverProcess.command(args).exit
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

it(`a PostgreSQL ${MAJOR} server's WAL is indexed as it is archived, listed, and searched`, async () => {
  const directory = await testDirectory()
  const store = await mkdtemp(join(tmpdir(), 'walship-archive-'))
  onTestFinished(() => rm(store, { recursive: true, force: true }))
  const url = `file://${store}`
  await using server = await launchTestServer()
  await using receiver = ReceiverProcess.walship(
    [
      ['-D', directory, '-S', 'inspect', '--ensure-slot', '-d', server.dsn],
      ['--store', url, '--keep-local', '1', '--log-format', 'json'],
    ].flat(),
  )
  await receiver.said(/streaming_started/)
  const names = async (folder: string) => readdir(join(store, folder, '00000001')).catch(() => [])
  for (let number = 1; number <= 5; number++) {
    await writeWal(server, SEGMENT_SIZE / 4)
    await server.query(`SELECT pg_create_restore_point('point ${number}')`)
    const end = await switchSegment(server)
    expect(end).toBeGreaterThan(0n)
    await waitFor('an index of each segment', async () => {
      const archived = await names('wal')
      return archived.length >= number && (await names('index/1')).length === archived.length
    })
  }

  const list = JSON.parse(await run('list', '--store', url, '--segments', '--json'))
  expect(list.timelines).toHaveLength(1)
  expect(list.timelines[0].gaps).toEqual([])
  expect(list.segments.length).toBeGreaterThanOrEqual(5)
  expect(list.windows[0].firstCommitTime).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00$/)
  const text = await run('list', '--store', url)
  expect(text).toMatch(/^timeline 1\n {2}[0-9A-F]{24} to [0-9A-F]{24}, /m)
  expect(text).toContain('point-in-time recovery:\n  to timeline 1: a base backup that began at ')

  const located = await run('locate', '--store', url, '--restore-point', 'point 2')
  expect(located).toMatch(
    /^recovery_target_lsn = '[0-9A-F]+\/[0-9A-F]+'\nrecovery_target_inclusive = on\nrecovery_target_timeline = '1'$/m,
  )
  // One segment for the point itself, one for the commits on both sides, and what is open.
  expect(located).toMatch(/^# read: indexes [4-9], segments [1-4]$/m)
  const inDirectory = JSON.parse(
    await run('locate', '-D', server.walDirectory, '--restore-point', 'point 2', '--json'),
  )
  expect(located).toContain(`recovery_target_lsn = '${inDirectory.targets[0].settings.recovery_target_lsn}'`)

  const missing = await ReceiverProcess.command(['locate', '--store', url, '--xid', '4000000000']).exit
  expect([missing.status, missing.stderr]).toEqual([
    1,
    'walship: error: there is no end of transaction 4000000000 in the WAL that leads to timeline 1\n' +
      'walship: hint: see walship list for what is kept\n',
  ])
  const mistake = await ReceiverProcess.command(['locate', '--store', url]).exit
  expect(mistake.status).toBe(2)
  expect(mistake.stderr).toContain('nothing to look for was named')
}, 120_000)
