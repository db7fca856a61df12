import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { type Lsn, parseLsn, segmentFileName, segmentNumber } from '../../src/wal/index.js'
import { walByteAt } from './known-wal.js'
import { contentOf, MB, namesIn, temporaryDirectory } from './wal-directory-fixture.js'

const PROGRAM = fileURLToPath(new URL('./killed-writer.ts', import.meta.url))

/** Runs the writer, kills it after so many reports, and returns the last position it reported. */
async function runAndKill(directory: string, method: string, reports: number): Promise<Lsn> {
  const child = fork(PROGRAM, [directory, method, String(MB)], { execArgv: ['--import', 'tsx'] })
  let flushed = 0n
  let count = 0
  child.on('message', (message) => {
    flushed = BigInt(String(message))
    if (++count === reports) child.kill('SIGKILL')
  })
  const [code, signal] = await once(child, 'exit')
  expect([code, signal]).toEqual([null, 'SIGKILL'])
  return parseLsn(flushed)
}

/** Every byte up to the position is in a file under its final or its partial name. */
async function expectAllUpTo(directory: string, flushed: Lsn, extension: string): Promise<void> {
  const names = namesIn(directory).filter((name) => !name.startsWith('.'))
  expect(names.filter((name) => name.endsWith('.partial')).length).toBeLessThanOrEqual(1)
  const size = BigInt(MB)
  for (let start = size; start < flushed; start += size) {
    const segmentName = segmentFileName(1, segmentNumber(start as Lsn, MB), MB) + extension
    const final = names.includes(segmentName)
    const content = await contentOf(directory, final ? segmentName : `${segmentName}.partial`)
    if (final) expect(content.length).toBe(MB)
    const length = Number(flushed - start < size ? flushed - start : size)
    expect(content.subarray(0, length).equals(walByteAt(start as Lsn, length))).toBe(true)
  }
}

it.each([
  ['none', ''],
  ['gzip:1', '.gz'],
  ['lz4', '.lz4'],
])(
  'a killed writer has lost nothing it reported, nor has the next one (%s)',
  async (method, extension) => {
    const directory = temporaryDirectory()
    let highest = 0n as Lsn
    for (const reports of [1, 37, 90, 7, 151]) {
      const flushed = await runAndKill(directory, method, reports)
      if (flushed > highest) highest = flushed
      // What an earlier one reported must not be taken back by a later one that began the segment again.
      await expectAllUpTo(directory, highest, extension)
    }
    expect(highest).toBeGreaterThan(BigInt(MB))
  },
  60_000,
)
