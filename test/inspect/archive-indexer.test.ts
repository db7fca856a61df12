import { createHash } from 'node:crypto'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { DEFAULT_STORE_COMPRESSION } from '../../src/codec/index.js'
import { ArchiveIndexer, type ArchiveIndexerOptions } from '../../src/inspect/index.js'
import { INDEX_FORMAT, parseSegmentIndex } from '../../src/records/index.js'
import { MemoryStore, WalArchive } from '../../src/store/index.js'
import { type Lsn, segmentFileName } from '../../src/wal/index.js'
import { SEGMENT_SIZE, SYSTEM_IDENTIFIER, WalBytes } from '../records/wal-bytes.js'

let archive: WalArchive

beforeEach(async () => {
  archive = await WalArchive.open(new MemoryStore(), {
    compression: DEFAULT_STORE_COMPRESSION,
    identity: { systemIdentifier: String(SYSTEM_IDENTIFIER), segmentSize: SEGMENT_SIZE, layoutVersion: 1 },
  })
})

/** A segment of five records. */
function segment(number: bigint, damage = false): { name: string; bytes: Buffer } {
  const wal = new WalBytes((number * BigInt(SEGMENT_SIZE)) as Lsn)
  for (let i = 0; i < 5; i++) wal.record({ body: Buffer.from([255, 4, 1, 2, 3, 4]) })
  wal.fill('segment')
  const { bytes } = wal
  if (damage) bytes[60]! ^= 1
  return { name: segmentFileName(1, number, SEGMENT_SIZE), bytes }
}

function indexer(options: Partial<ArchiveIndexerOptions> = {}) {
  const skipped: [string, string][] = []
  const made = new ArchiveIndexer({
    segmentSize: SEGMENT_SIZE,
    archive,
    onSkipped: (name, reason) => skipped.push([name, reason]),
    ...options,
  })
  onTestFinished(() => made.close())
  /** As an archiver does. */
  const put = async ({ name, bytes }: ReturnType<typeof segment>) =>
    archive.putSegment(name, bytes, { reading: made.readingOf(name) })
  return { made, skipped, put }
}

it('stores the index of a segment, and of one that was there without', async () => {
  const { made, skipped, put } = indexer()
  const five = segment(5n)
  expect(await put(five)).toBe('stored')
  const six = segment(6n)
  await archive.putSegment(six.name, six.bytes)
  expect(await put(six)).toBe('already-there')
  await made.settled()
  expect(skipped).toEqual([])
  for (const { name, bytes } of [five, six]) {
    const stored = (await archive.getIndex(name, INDEX_FORMAT))!
    expect(stored.segmentSha256).toBe(createHash('sha256').update(bytes).digest('hex'))
    const index = parseSegmentIndex(stored.content, { segment: name, sha256: stored.segmentSha256 })
    expect(index).toMatchObject({ records: 5, commits: 0 })
  }
})

it('puts records together that are larger than what is read at once, in several segments at a time', async () => {
  const { made, skipped, put } = indexer()
  const segments = [10n, 11n, 12n, 13n].map((number) => {
    const wal = new WalBytes((number * BigInt(SEGMENT_SIZE)) as Lsn)
    const length = 300_000
    const head = Buffer.from([254, 0, 0, 0, 0])
    head.writeUInt32LE(length, 1)
    for (let i = 0; i < 3; i++)
      wal.record({ body: Buffer.concat([head, Buffer.alloc(length, Number(number))]) })
    wal.fill('segment')
    return { name: segmentFileName(1, number, SEGMENT_SIZE), bytes: wal.bytes }
  })
  await Promise.all(segments.map(put))
  await made.settled()
  expect(skipped).toEqual([])
  for (const { name } of segments) {
    const { content, segmentSha256 } = (await archive.getIndex(name, INDEX_FORMAT))!
    expect(parseSegmentIndex(content, { segment: name, sha256: segmentSha256 })).toMatchObject({ records: 3 })
  }
})

it('archives what is damaged, and leaves its index out', async () => {
  const { made, skipped, put } = indexer()
  const damaged = segment(5n, true)
  expect(await put(damaged)).toBe('stored')
  await made.settled()
  expect(skipped.map(([name]) => name)).toEqual([damaged.name])
  expect(await archive.getIndex(damaged.name, INDEX_FORMAT)).toBeNull()
})

it('leaves out what is too much, and goes on', async () => {
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const stored: string[] = []
  const slow = {
    putIndex: async (name: string) => {
      await gate
      stored.push(name)
    },
  }
  const { made, skipped, put } = indexer({ archive: slow })
  const segments = Array.from({ length: 7 }, (_, i) => segment(BigInt(20 + i)))
  for (const each of segments.slice(0, 6)) await put(each)
  expect(skipped.map(([name]) => name)).toEqual([segments[4]!.name, segments[5]!.name])
  open()
  await made.settled()
  await put(segments[6]!)
  await made.settled()
  expect(stored).toEqual([0, 1, 2, 3, 6].map((at) => segments[at]!.name))
})

it('lives with a store that takes nothing, and with being closed in between', async () => {
  const { made, skipped, put } = indexer({
    archive: { putIndex: () => Promise.reject(new Error('the store is down')) },
  })
  const { name } = segment(5n)
  await put(segment(5n))
  await made.settled()
  expect(skipped).toEqual([[name, 'the store is down']])
  await made.close()
  await put(segment(6n))
  expect(skipped).toHaveLength(1)
})

it('is made of nothing but names of segments', () => {
  const { made } = indexer()
  expect(made.readingOf('00000002.history')).toBeUndefined()
})
