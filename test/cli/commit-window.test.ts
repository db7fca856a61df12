import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { commitWindow } from '../../src/cli/commit-window.js'
import { listCoverage } from '../../src/cli/list-coverage.js'
import { DEFAULT_STORE_COMPRESSION } from '../../src/codec/index.js'
import { formatSegmentIndex, INDEX_FORMAT, SegmentIndexer } from '../../src/records/index.js'
import { MemoryStore, WalArchive } from '../../src/store/index.js'
import { dateToPgTime } from '../../src/wal/index.js'
import { SEGMENT_SIZE, SYSTEM_IDENTIFIER, segmentBytes, segmentNamed } from '../restore/known-segments.js'
import { FaultyStore } from '../store/faulty-store.js'

const { signal } = new AbortController()
const MOMENT = new Date('2026-03-01T00:00:00Z')

async function archiveOf(count: number) {
  const store = new FaultyStore(new MemoryStore())
  const systemIdentifier = String(SYSTEM_IDENTIFIER)
  const identity = { systemIdentifier, segmentSize: SEGMENT_SIZE, layoutVersion: 1 } as const
  const archive = await WalArchive.open(store, { compression: DEFAULT_STORE_COMPRESSION, identity })
  for (let number = 1; number <= count; number++)
    await archive.putSegment(segmentNamed(number), segmentBytes(segmentNamed(number)))
  return { store, archive }
}

/** An index that says when the commits of a segment were, as many minutes after MOMENT as its number. */
async function putIndex(archive: WalArchive, number: number, hasCommits = true): Promise<void> {
  const segment = segmentNamed(number)
  const time = dateToPgTime(new Date(MOMENT.getTime() + number * 60_000))
  const nothing = new SegmentIndexer({ segmentSize: SEGMENT_SIZE, timeline: 1 }).finish()!
  const times = hasCommits ? { firstCommitTime: time, lastCommitTime: time + 5_000_000n } : {}
  const sha256 = createHash('sha256').update(segmentBytes(segment)).digest('hex')
  await archive.putIndex(
    segment,
    INDEX_FORMAT,
    formatSegmentIndex({ ...nothing, ...times }, { segment, sha256 }),
  )
}

it('tells the times at the ends of the window by few indexes, whatever its length', async () => {
  const { store, archive } = await archiveOf(40)
  for (let number = 1; number <= 40; number++) await putIndex(archive, number, number > 2 && number < 40)
  const coverage = await listCoverage(archive)
  const before = store.calls.length
  expect(await commitWindow(archive, coverage, signal)).toEqual({
    from: new Date('2026-03-01T00:03:00Z'),
    to: new Date('2026-03-01T00:39:05Z'),
  })
  // Five indexes, each with a look at the segment that it has to be of.
  expect(store.calls.length - before).toBe(10)
})

it('tells nothing where no index near the ends does', async () => {
  const { archive } = await archiveOf(40)
  await putIndex(archive, 20)
  expect(await commitWindow(archive, await listCoverage(archive), signal)).toBeNull()
})
