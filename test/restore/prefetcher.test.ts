import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { beforeEach, describe, expect, it } from 'vitest'
import { prefetch, Spool } from '../../src/restore/index.js'
import { KnownArchive, SYSTEM_IDENTIFIER, segmentBytes, segmentNamed } from './known-segments.js'
import { testFolder } from './test-folder.js'

/** Nobody's data directory. */
const ASKER = { target: 'nowhere/at/all', workingDirectory: '/' }

let archive: KnownArchive
let spool: Spool

beforeEach(() => {
  archive = new KnownArchive()
  spool = new Spool(testFolder())
})

function addSegments(from: number, to: number, timeline = 1): void {
  for (let number = from; number <= to; number++) {
    const name = segmentNamed(number, timeline)
    archive.segments.set(name, segmentBytes(name))
  }
}

function names(from: number, to: number, timeline = 1): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => segmentNamed(from + index, timeline))
}

function run(count: number, signal = new AbortController().signal): Promise<void> {
  return prefetch({ ...ASKER, spool, archive, count, idleMs: 0, pollMs: 1 }, signal)
}

describe('the prefetcher', () => {
  it('brings the next segments behind the one asked for, whole and under their names only', async () => {
    addSegments(1, 20)
    spool.noteAsked(segmentNamed(3))
    await run(5)
    expect(spool.segments()).toEqual(names(4, 8))
    for (const name of names(4, 8)) {
      expect(readFileSync(spool.path(name)).equals(segmentBytes(name))).toBe(true)
      expect(statSync(spool.path(name)).mode & 0o777).toBe(0o600)
    }
    expect(readdirSync(spool.directory).sort()).toEqual([...names(4, 8), 'asked'])
  })

  it('does nothing when nothing was asked for', async () => {
    addSegments(1, 3)
    await run(5)
    expect(archive.asked).toEqual([])
  })

  it('stays on the timeline asked for', async () => {
    addSegments(1, 9, 1)
    addSegments(4, 9, 2)
    spool.noteAsked(segmentNamed(4, 2))
    await run(3)
    expect(spool.segments()).toEqual(names(5, 7, 2))
  })

  it('ends at the end of the archive, and takes nothing that is not finished', async () => {
    addSegments(1, 6)
    archive.putPart(segmentBytes(segmentNamed(7)), 0, 1000)
    spool.noteAsked(segmentNamed(3))
    await run(8)
    expect(spool.segments()).toEqual(names(4, 6))
    expect(archive.asked).not.toContain('list')
  })

  it('removes what is outside of its window, but not the one asked for', async () => {
    addSegments(1, 20)
    for (const name of [...names(1, 4), ...names(12, 14), segmentNamed(4, 2)])
      writeFileSync(spool.path(name), segmentBytes(name))
    spool.noteAsked(segmentNamed(3))
    await run(2)
    expect(spool.segments()).toEqual(names(3, 5))
    expect(archive.asked).toEqual([`segment ${segmentNamed(5)}`])
  })

  it('goes on as the questions go on', async () => {
    addSegments(1, 12)
    spool.noteAsked(segmentNamed(1))
    const target = `${testFolder()}/RECOVERYXLOG`
    const stop = new AbortController()
    const done = prefetch({ ...ASKER, spool, archive, count: 3, pollMs: 1 }, stop.signal)
    for (let number = 2; number <= 12; number++) {
      const name = segmentNamed(number)
      await expect.poll(() => spool.has(name), { interval: 5, timeout: 20_000 }).toBe(true)
      expect(spool.segments().length).toBeLessThanOrEqual(4)
      spool.noteAsked(name)
      expect(spool.take(name, target, SYSTEM_IDENTIFIER)).toBe(true)
      expect(readFileSync(target).equals(segmentBytes(name))).toBe(true)
    }
    // The archive has no more, so it ends by itself.
    await done
    // Each segment was downloaded once.
    const downloads = archive.asked.filter((question) =>
      archive.segments.has(question.slice('segment '.length)),
    )
    expect(downloads.sort()).toEqual(names(2, 12).map((name) => `segment ${name}`))
  })

  it('downloads several at once, but not all', async () => {
    addSegments(1, 20)
    let now = 0
    let most = 0
    archive.before = async () => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setImmediate(resolve))
      now--
    }
    spool.noteAsked(segmentNamed(1))
    await run(10)
    expect(spool.segments()).toEqual(names(2, 11))
    expect(most).toBe(4)
  })

  it.each([
    ['short', (name: string) => segmentBytes(name).subarray(0, 512)],
    ['of another cluster', (name: string) => segmentBytes(name, 5n)],
  ])('lets no segment in that is %s', async (_what, bytes) => {
    addSegments(1, 9)
    archive.segments.set(segmentNamed(5), bytes(segmentNamed(5)))
    spool.noteAsked(segmentNamed(3))
    await expect(run(4)).rejects.toMatchObject({ code: 'RESTORE_CORRUPT' })
    expect(spool.segments()).not.toContain(segmentNamed(5))
  })

  it('ends when the store fails, and leaves nothing half done', async () => {
    addSegments(1, 9)
    archive.before = (question) => {
      if (question === `segment ${segmentNamed(6)}`) throw new Error('the store is down')
    }
    spool.noteAsked(segmentNamed(3))
    await expect(run(6)).rejects.toThrow('the store is down')
    expect(readdirSync(spool.directory).filter((name) => name.endsWith('.fetching'))).toEqual([])
    for (const name of spool.segments())
      expect(readFileSync(spool.path(name)).equals(segmentBytes(name))).toBe(true)
  })

  it('cleans up behind one that was killed', async () => {
    addSegments(1, 5)
    writeFileSync(spool.path(spool.unfinishedName(segmentNamed(4), 1)), 'half')
    spool.noteAsked(segmentNamed(3))
    await run(2)
    expect(readdirSync(spool.directory).sort()).toEqual([...names(4, 5), 'asked'])
  })

  it('ends when it is told to', async () => {
    addSegments(1, 9)
    spool.noteAsked(segmentNamed(1))
    const stop = new AbortController()
    archive.before = () => stop.abort()
    await run(8, stop.signal)
    expect(spool.segments().length).toBeLessThan(8)
  })
})
