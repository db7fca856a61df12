import { createHash } from 'node:crypto'
import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { DEFAULT_STORE_COMPRESSION } from '../../src/codec/index.js'
import { ArchiveIndexer, type ArchiveIndexerOptions } from '../../src/inspect/index.js'
import { INDEX_FORMAT, parseSegmentIndex } from '../../src/records/index.js'
import { MemoryStore, WalArchive } from '../../src/store/index.js'
import { type Lsn, segmentFileName } from '../../src/wal/index.js'
import { SEGMENT_SIZE, SYSTEM_IDENTIFIER, WalBytes } from '../records/wal-bytes.js'

let directory: string
let archive: WalArchive

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walship-index-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  archive = await WalArchive.open(new MemoryStore(), {
    compression: DEFAULT_STORE_COMPRESSION,
    identity: { systemIdentifier: String(SYSTEM_IDENTIFIER), segmentSize: SEGMENT_SIZE, layoutVersion: 1 },
  })
})

/** Writes a segment's file, and archives it as an archiver does. */
async function segment(number: bigint, damage = false): Promise<{ name: string; bytes: Buffer }> {
  const wal = new WalBytes((number * BigInt(SEGMENT_SIZE)) as Lsn)
  for (let i = 0; i < 5; i++) wal.record({ body: Buffer.from([255, 4, 1, 2, 3, 4]) })
  wal.fill('segment')
  const { bytes } = wal
  if (damage) bytes[60]! ^= 1
  const name = segmentFileName(1, number, SEGMENT_SIZE)
  await writeFile(join(directory, name), bytes)
  await archive.putSegment(name, bytes)
  return { name, bytes }
}

function indexer(options: Partial<ArchiveIndexerOptions> = {}) {
  const skipped: [string, string][] = []
  const made = new ArchiveIndexer({
    directory,
    segmentSize: SEGMENT_SIZE,
    archive,
    onSkipped: (name, reason) => skipped.push([name, reason]),
    ...options,
  })
  onTestFinished(() => made.close())
  return { made, skipped }
}

it('stores the index of a segment, also when its file is removed at once', async () => {
  const { made, skipped } = indexer()
  const { name, bytes } = await segment(5n)
  made.archived(name)
  await unlink(join(directory, name))
  await made.settled()
  expect(skipped).toEqual([])
  const stored = (await archive.getIndex(name, INDEX_FORMAT))!
  expect(stored.segmentSha256).toBe(createHash('sha256').update(bytes).digest('hex'))
  const index = parseSegmentIndex(stored.content, { segment: name, sha256: stored.segmentSha256 })
  expect(index).toMatchObject({ records: 5, commits: 0 })
})

it('leaves out what is damaged, what is gone, and what is too much', async () => {
  const { made, skipped } = indexer()
  const damaged = await segment(5n, true)
  made.archived(damaged.name)
  await made.settled()
  made.archived(segmentFileName(1, 6n, SEGMENT_SIZE))
  expect(skipped.map(([name]) => name)).toEqual([damaged.name, segmentFileName(1, 6n, SEGMENT_SIZE)])
  expect(await archive.getIndex(damaged.name, INDEX_FORMAT)).toBeNull()

  const names: string[] = []
  for (let number = 10n; number < 20n; number++) names.push((await segment(number)).name)
  for (const name of names) made.archived(name)
  await made.settled()
  expect(skipped.slice(2).map(([name]) => name)).toEqual(names.slice(4))
  expect(await archive.getIndex(names[3]!, INDEX_FORMAT)).not.toBeNull()
  // It goes on with the next one.
  made.archived(names[9]!)
  await made.settled()
  expect(await archive.getIndex(names[9]!, INDEX_FORMAT)).not.toBeNull()
})

it('lives with a store that takes nothing, and with being closed in between', async () => {
  const { made, skipped } = indexer({
    archive: { putIndex: () => Promise.reject(new Error('the store is down')) },
  })
  const { name } = await segment(5n)
  made.archived(name)
  await made.settled()
  expect(skipped).toEqual([[name, 'the store is down']])
  made.archived(name)
  await made.close()
  made.archived(name)
  await made.settled()
  expect(skipped).toHaveLength(1)
})
