import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runWalship } from '../../src/cli/walship.js'
import { FakeHost } from '../cli/fake-host.js'
import { testDirectory } from '../live/test-directory.js'
import { segmentBytes, segmentNamed } from '../restore/known-segments.js'

async function filled(...numbers: number[]): Promise<string> {
  const directory = await testDirectory()
  for (const number of numbers)
    await writeFile(join(directory, segmentNamed(number)), segmentBytes(segmentNamed(number)))
  return directory
}

async function prune(directory: string, ...rest: string[]) {
  const host = new FakeHost(['prune', '-D', directory, ...rest], { invokedAs: 'walship', environment: {} })
  return { status: await runWalship(host), out: host.out, err: host.err }
}

const DAYS_AGO = new Date(Date.now() - 20 * 86_400_000)

it('removes from a directory what is before, and nothing that is no segment', async () => {
  const directory = await filled(1, 2, 3, 4, 5)
  const others = ['00000002.history', 'notes.txt', `.walship-${segmentNamed(1)}.tmp`]
  for (const name of others) await writeFile(join(directory, name), '1\t0/500000\tx\n')
  await writeFile(join(directory, `${segmentNamed(6)}.partial`), segmentBytes(segmentNamed(6)))
  const rule = ['--before', '0/300000']
  expect(await prune(directory, ...rule)).toMatchObject({ status: 0, err: '' })
  expect(await readdir(directory)).toHaveLength(9)
  const { status, out } = await prune(directory, ...rule, '--apply')
  expect([status, out]).toEqual([0, expect.stringContaining('removed 2 files, 2 MB')])
  expect((await readdir(directory)).sort()).toEqual(
    [...others, ...[3, 4, 5].map((number) => segmentNamed(number)), `${segmentNamed(6)}.partial`].sort(),
  )
})

it('finds backups by the files that their ends left', async () => {
  const directory = await filled(1, 2, 3, 4, 5)
  for (const number of [2, 4])
    await writeFile(
      join(directory, `${segmentNamed(number)}.00000028.backup`),
      `START WAL LOCATION: 0/${number}00028 (file ${segmentNamed(number)})\nSTOP WAL LOCATION: 0/${number}00100 (file ${segmentNamed(number)})\n`,
    )
  const { out } = await prune(directory, '--keep-backups', '1', '--apply', '--json')
  expect(JSON.parse(out)).toMatchObject({ applied: true, removed: { files: 3 }, backups: [{ timeline: 1 }] })
  expect(await readdir(directory)).toHaveLength(4)
})

it('removes nothing by time where no commit is found to reckon from', async () => {
  const directory = await filled(1, 2, 3, 4, 5)
  for (const number of [1, 2, 3]) await utimes(join(directory, segmentNamed(number)), DAYS_AGO, DAYS_AGO)
  const { status, out } = await prune(directory, '--keep-for', '14d')
  expect([status, out]).toEqual([0, expect.stringContaining('nothing is to go')])
})

it('refuses the directory of a shipping receiver, and that of a server', async () => {
  const shipping = await filled(1, 2, 3)
  await writeFile(join(shipping, '.walship-archived'), '{}')
  const rule = ['--before', '0/300000', '--apply']
  expect(await prune(shipping, ...rule)).toMatchObject({
    status: 2,
    err: expect.stringContaining('walship receive ships from directory'),
  })
  const server = await filled(1, 2, 3)
  await mkdir(join(server, 'archive_status'))
  expect(await prune(server, ...rule)).toMatchObject({
    status: 2,
    err: expect.stringContaining('is the pg_wal of a server'),
  })
  expect(await readdir(server)).toHaveLength(4)
})
