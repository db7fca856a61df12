import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseCompression } from '../../src/codec/index.js'
import { findStreamingStart, WalWriter } from '../../src/segments/index.js'
import { type Lsn, lsnMax, segmentFileName, segmentNumber } from '../../src/wal/index.js'
import { randomNumbers } from '../support/random.js'
import { CrashingFileSystem, PowerCut } from './crashing-file-system.js'
import { walByteAt } from './known-wal.js'
import { readableContent } from './readable-content.js'
import { contentOf, MB, temporaryDirectory } from './wal-directory-fixture.js'

const SIZE = BigInt(MB)

interface Run {
  readonly files: CrashingFileSystem
  readonly random: () => number
  readonly method: string
  readonly synchronous: boolean
  readonly start: Lsn
  readonly timeline: number
}

/** Writes until the power is cut, or closes before; returns what was flushed at the end. */
async function writeUntilPowerCut(run: Run): Promise<Lsn> {
  const { files, random, synchronous } = run
  let writer: WalWriter | undefined
  let finishedUpTo = 0n
  files.cutPowerAfter(Math.floor(random() ** 2 * 300))
  try {
    writer = await WalWriter.open({
      directory: '/simulated',
      segmentSize: MB,
      timeline: run.timeline,
      start: run.start,
      compression: parseCompression(run.method),
      fileMode: 0o640,
      durable: true,
      synchronous,
      onFinished: (_, end) => {
        finishedUpTo = end
      },
      files,
    })
    for (const end = writer.written + 3n * SIZE; writer.written < end; ) {
      const length = 1 + Math.floor(300_000 ** random())
      await writer.write(writer.written, [walByteAt(writer.written, length)], random() < 0.6)
      expect(writer.flushed).toBeGreaterThanOrEqual(finishedUpTo)
    }
    await writer.close()
  } catch (error) {
    const cause = (error as Error).cause ?? error
    if (!(cause instanceof PowerCut)) throw error
    // The process is gone as well; here it must only come to rest.
    await writer?.close().catch(() => {})
  }
  return writer?.flushed ?? run.start
}

function materialize(directory: string, image: Map<string, Buffer>): void {
  rmSync(directory, { recursive: true })
  mkdirSync(directory)
  for (const [name, content] of image) writeFileSync(join(directory, name), content)
}

async function expectAllUpTo(image: Map<string, Buffer>, flushed: Lsn): Promise<void> {
  for (let start = SIZE; start < flushed; start += SIZE) {
    const segmentName = segmentFileName(1, segmentNumber(start as Lsn, MB), MB)
    const length = Number(flushed - start < SIZE ? flushed - start : SIZE)
    const expected = walByteAt(start as Lsn, length)
    const found: string[] = []
    for (const suffix of ['', '.gz', '.lz4', '.partial', '.gz.partial', '.lz4.partial']) {
      const name = segmentName + suffix
      if (!image.has(name)) continue
      if ((await readableContent(name, image.get(name)!, length)).equals(expected)) found.push(name)
    }
    expect(found, `${segmentName} up to ${length} in ${[...image.keys()].join(' ')}`).not.toEqual([])
  }
}

/** A final name is seen only on a complete segment with the right bytes. */
async function expectFinalNamesAreComplete(directory: string, image: Map<string, Buffer>): Promise<void> {
  for (const name of image.keys()) {
    if (name.startsWith('.') || name.endsWith('.partial')) continue
    const segment = BigInt(Number.parseInt(name.slice(16, 24), 16))
    const content = await contentOf(directory, name)
    expect(content.equals(walByteAt((segment * SIZE) as Lsn, MB)), name).toBe(true)
  }
}

describe.each([
  ['a journal keeps the order of names', true],
  ['names are lost in any order', false],
])('after power cuts, %s', (_, ordered) => {
  it.each([
    ['plain', ['none'], false],
    ['plain, synchronous', ['none'], true],
    ['gzip', ['gzip:1'], false],
    ['lz4', ['lz4'], true],
    ['mixed compressions', ['none', 'lz4', 'gzip:1'], true],
  ] as const)(
    'every flushed byte is there and streaming resumes without a gap: %s',
    async (__, methods, synchronous) => {
      const directory = temporaryDirectory()
      for (let seed = 1; seed <= 2; seed++) {
        const random = randomNumbers(seed * 7919)
        const files = new CrashingFileSystem(random, ordered)
        let highest = SIZE as Lsn
        let start = SIZE as Lsn
        for (let round = 0; round < 5; round++) {
          const method = methods[Math.floor(random() * methods.length)]!
          const flushed = await writeUntilPowerCut({ files, random, method, synchronous, start, timeline: 1 })
          highest = lsnMax(highest, flushed)
          const image = files.restart()
          materialize(directory, image)
          await expectFinalNamesAreComplete(directory, image)
          const found = await findStreamingStart(directory, MB)
          start = found.start?.lsn ?? (SIZE as Lsn)
          // It may be later than what was acknowledged, but then all bytes before it are there as well.
          await expectAllUpTo(image, lsnMax(highest, start))
        }
      }
    },
    60_000,
  )
})
