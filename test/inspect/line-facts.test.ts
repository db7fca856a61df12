import { describe, expect, it } from 'vitest'
import { WalshipError } from '../../src/base/index.js'
import { type KeptFile, type KeptWal, listWal } from '../../src/inspect/index.js'
import { formatSegmentIndex, type SegmentIndex, SegmentIndexer } from '../../src/records/index.js'
import { type Lsn, segmentFileName } from '../../src/wal/index.js'
import { SEGMENT_SIZE, SYSTEM_IDENTIFIER, WalBytes } from '../records/wal-bytes.js'

const NUMBER = 7n
const START = (NUMBER * BigInt(SEGMENT_SIZE)) as Lsn
const NAME = segmentFileName(1, NUMBER, SEGMENT_SIZE)
const SHA256 = 'a'.repeat(64)
const { signal } = new AbortController()

function segment(): Buffer {
  const wal = new WalBytes(START)
  for (let i = 0; i < 5; i++) wal.record({ body: Buffer.from([255, 4, 1, 2, 3, 4]) })
  wal.fill('segment')
  return wal.bytes
}

function indexOf(bytes: Buffer): SegmentIndex {
  const indexer = new SegmentIndexer({ segmentSize: SEGMENT_SIZE, timeline: 1 })
  indexer.push(START, bytes)
  return indexer.finish()!
}

/** One segment, and what is said to be its index. */
class OneSegment implements KeptWal {
  readonly name = 'a test'
  reads = 0
  readonly #content: Buffer
  readonly #index: () => Buffer | null

  constructor(content: Buffer, index: () => Buffer | null) {
    this.#content = content
    this.#index = index
  }

  async inventory() {
    const file: KeptFile = { name: NAME, timeline: 1, segment: NUMBER, kind: 'segment' }
    return { segmentSize: SEGMENT_SIZE, systemIdentifier: SYSTEM_IDENTIFIER, files: [file], gaps: [] }
  }

  async read(): Promise<Buffer> {
    this.reads++
    return this.#content
  }

  async readIndex(): Promise<{ content: Buffer; segmentSha256: string } | null> {
    const content = this.#index()
    return content === null ? null : { content, segmentSha256: SHA256 }
  }

  async readHistory(): Promise<null> {
    return null
  }
}

const recordsIn = async (kept: KeptWal) =>
  (await listWal(kept, { segments: true, signal })).segments![0]!.index

describe('an index', () => {
  const bytes = segment()
  /** It lies, so that it shows when it is believed. */
  const lie = { ...indexOf(bytes), records: 4711 }

  it('spares reading the segment when it is of this very segment', async () => {
    const kept = new OneSegment(bytes, () => formatSegmentIndex(lie, { segment: NAME, sha256: SHA256 }))
    expect(await recordsIn(kept)).toMatchObject({ records: 4711 })
    expect(kept.reads).toBe(0)
  })

  const useless: [string, () => Buffer | null][] = [
    ['is missing', () => null],
    ['is of other bytes', () => formatSegmentIndex(lie, { segment: NAME, sha256: 'b'.repeat(64) })],
    [
      'is of another segment',
      () => formatSegmentIndex(lie, { segment: NAME.replace(/.$/, 'F'), sha256: SHA256 }),
    ],
    ['is no index', () => Buffer.from('{}')],
    [
      'cannot be read',
      () => {
        throw new WalshipError('the store does not want to', { code: 'STORE_FAILED' })
      },
    ],
  ]

  it.each(useless)('that %s is made anew from the segment', async (_, index) => {
    const kept: OneSegment = new OneSegment(bytes, index)
    expect(await recordsIn(kept)).toMatchObject({ records: 5 })
    expect(kept.reads).toBe(1)
  })

  it('is not made of a damaged segment, which is named', async () => {
    const damaged = Buffer.from(bytes)
    damaged[40 + 20]! ^= 1
    const list = await listWal(new OneSegment(damaged, () => null), { segments: true, signal })
    expect(list.segments![0]!.index).toBeNull()
    expect([...list.unusable.keys()]).toEqual([NAME])
  })
})
