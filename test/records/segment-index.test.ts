import { describe, expect, it } from 'vitest'
import {
  formatSegmentIndex,
  parseSegmentIndex,
  parseServerRecord,
  readRecords,
  recordBetween,
  type SegmentIndex,
  SegmentIndexer,
  type WalRecord,
  xidPrecedes,
} from '../../src/records/index.js'
import type { Lsn } from '../../src/wal/index.js'
import { SEGMENT_SIZE, WalBytes } from './wal-bytes.js'

const START = BigInt(SEGMENT_SIZE * 5) as Lsn
const XLOG = 0
const RESTORE_POINT = { resourceManager: XLOG, info: 0x70 }
/** Header, two bytes that announce the main data, the time, the name. */
const RESTORE_POINT_LENGTH = 24 + 2 + 8 + 64

function mainData(data: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head[0] = 254
  head.writeUInt32LE(data.length, 1)
  return data.length < 256
    ? Buffer.concat([Buffer.from([255, data.length]), data])
    : Buffer.concat([head, data])
}

/** Records up to `room` bytes before the segment's end. */
function fillUp(wal: WalBytes, room: number): void {
  const end = START + BigInt(SEGMENT_SIZE)
  for (;;) {
    const left = Number(end - wal.lsn) - room
    if (left === 0) return
    const inPage = 8192 - (Number(wal.lsn) % 8192)
    // The last record of the page leaves at least room for another one, or ends exactly where it has to.
    const length = left <= inPage && left <= 4096 ? left : Math.min(inPage, 4096)
    wal.record({ body: mainData(Buffer.alloc(length - 24 - 5 < 256 ? length - 24 - 2 : length - 24 - 5)) })
  }
}

function indexOf(lsn: Lsn, bytes: Buffer): SegmentIndex {
  const indexer = new SegmentIndexer({ segmentSize: SEGMENT_SIZE, timeline: 1 })
  indexer.push(lsn, bytes)
  return indexer.finish()!
}

describe('a record between two segments', () => {
  const cuts = Array.from({ length: Math.ceil(RESTORE_POINT_LENGTH / 8) - 1 }, (_, i) => (i + 1) * 8)

  it.each(cuts)('is found when %d of its bytes lie in the first', (cut) => {
    const wal = new WalBytes(START)
    fillUp(wal, cut)
    const data = Buffer.alloc(72)
    data.writeBigInt64LE(123_456n, 0)
    data.write('before the upgrade', 8)
    const lsn = wal.record({ ...RESTORE_POINT, body: mainData(data) })
    const end = wal.lsn
    wal.record({ body: mainData(Buffer.alloc(8)) })
    wal.fill('segment')
    const first = indexOf(START, wal.bytes.subarray(0, SEGMENT_SIZE))
    const second = indexOf((START + BigInt(SEGMENT_SIZE)) as Lsn, wal.bytes.subarray(SEGMENT_SIZE))
    expect([...first.restorePoints, ...second.restorePoints]).toEqual([])
    expect(first.unfinished).toMatchObject({ lsn, length: cut })
    expect(second.rest).toMatchObject({ length: RESTORE_POINT_LENGTH - cut })

    const found = recordBetween(first, second, SEGMENT_SIZE) as WalRecord
    expect([found.lsn, found.endLsn]).toEqual([lsn, end])
    expect(parseServerRecord(found)).toMatchObject({ name: 'before the upgrade', time: 123_456n })
    // Nobody can say what it is while the second is not known, or is not its continuation.
    expect(recordBetween(first, null, SEGMENT_SIZE)).toBe('unknown')
    const other = {
      ...second,
      rest: { ...second.rest!, bytes: Buffer.alloc(second.rest!.bytes.length, 0xff) },
    }
    expect(['unknown', null]).toContain(recordBetween(first, other, SEGMENT_SIZE))
    expect(recordBetween(first, { ...second, rest: null }, SEGMENT_SIZE)).toBeNull()
  })

  it('is not kept when it is long, and then said to be unknown if it can be a commit', () => {
    const between = (resourceManager: number) => {
      const wal = new WalBytes(START)
      fillUp(wal, 4000)
      wal.record({ resourceManager, body: mainData(Buffer.alloc(6000)) })
      wal.fill('segment')
      const first = indexOf(START, wal.bytes.subarray(0, SEGMENT_SIZE))
      const second = indexOf((START + BigInt(SEGMENT_SIZE)) as Lsn, wal.bytes.subarray(SEGMENT_SIZE))
      return recordBetween(first, second, SEGMENT_SIZE)
    }
    const [TRANSACTION, HEAP] = [1, 10]
    expect(between(TRANSACTION)).toBe('unknown')
    expect(between(HEAP)).toBeNull()
    expect(between(XLOG)).toBeNull()
  })
})

it('an index is none when one of its fields is not what it must be', () => {
  const of = { segment: '000000010000000000000001', sha256: 'a'.repeat(64) }
  const text = formatSegmentIndex(indexOf(START, Buffer.alloc(SEGMENT_SIZE)), of).toString()
  const changed = (fields: object) => Buffer.from(JSON.stringify({ ...JSON.parse(text), ...fields }))
  expect(parseSegmentIndex(changed({}), of)).not.toBeNull()
  for (const fields of [
    { dropped: {} },
    { dropped: ['1'] },
    { oldestXid: [] },
    { newestXid: '7' },
    { rest: { length: 'x', bytes: '' } },
  ])
    expect(parseSegmentIndex(changed(fields), of)).toBeNull()
})

it('a count that the record has no bytes for makes no room', () => {
  const body = Buffer.alloc(40)
  body.writeUInt32LE(30_000_000, 0)
  const wal = new WalBytes(START)
  wal.record({ resourceManager: 8, info: 0x10, body: mainData(body) })
  const options = { segmentSize: SEGMENT_SIZE, timeline: 1 }
  const [record] = readRecords([{ lsn: START, bytes: wal.bytes }], options)
  const before = process.memoryUsage().heapUsed
  expect(() => parseServerRecord(record!)).toThrow(RangeError)
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(50_000_000)
})

it('the index of zeros holds nothing', () => {
  expect(indexOf(START, Buffer.alloc(SEGMENT_SIZE))).toMatchObject({
    records: 0,
    firstLsn: null,
    oldestXid: null,
  })
})

it('transaction ids are compared as they go round', () => {
  expect(xidPrecedes(3, 4)).toBe(true)
  expect(xidPrecedes(0xffff_fff0, 5)).toBe(true)
  expect(xidPrecedes(5, 0xffff_fff0)).toBe(false)
})
