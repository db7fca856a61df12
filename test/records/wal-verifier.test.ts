import { describe, expect, it } from 'vitest'
import { type WalProblem, type WalScannerOptions, WalVerifier } from '../../src/records/index.js'
import { type Lsn, parseLsn } from '../../src/wal/index.js'
import { PAGE_SIZE, SEGMENT_SIZE, SYSTEM_IDENTIFIER, WalBytes } from './wal-bytes.js'

const START = parseLsn('0/FFE00000')
const BASE: WalScannerOptions = { segmentSize: SEGMENT_SIZE, timeline: 1, ancestors: [] }

/** What comes of some WAL, pushed in pieces of a size. */
function verify(
  start: Lsn,
  bytes: Buffer,
  options: Partial<WalScannerOptions> = {},
  pieceSize = bytes.length,
) {
  const problems: WalProblem[] = []
  const verifier = new WalVerifier({ ...BASE, onProblem: (problem) => problems.push(problem), ...options })
  for (let at = 0; at < bytes.length; at += pieceSize)
    verifier.push((start + BigInt(at)) as Lsn, bytes.subarray(at, at + pieceSize))
  return { verifier, problems, kinds: problems.map(({ kind }) => kind) }
}

/** Records of many lengths, over pages, over a segment's end and over the end of 32 bits. */
function someWal(): WalBytes {
  const wal = new WalBytes(START)
  for (let i = 0; wal.lsn < START + BigInt(2 * SEGMENT_SIZE + 100_000); i++)
    wal.record({ bodyLength: (i * i * 37) % 3000, xid: i })
  wal.record({ bodyLength: SEGMENT_SIZE * 2 })
  wal.record()
  return wal
}

describe('WalVerifier', () => {
  it.each([1, 7, 24, 4096, 8192, 100_000, 10_000_000])(
    'finds nothing in good WAL in pieces of %d',
    (size) => {
      const wal = someWal()
      const { verifier, problems } = verify(
        wal.start,
        wal.bytes,
        { systemIdentifier: SYSTEM_IDENTIFIER },
        size,
      )
      expect(problems).toEqual([])
      expect(verifier.verifiedLsn).toBe(wal.lsn)
      expect(verifier.lastRecordLsn).toBe(wal.prev)
    },
  )

  it('verifies up to the beginning of a record that is not complete', () => {
    const wal = someWal()
    const before = wal.lsn
    const begun = wal.record({ bodyLength: 30_000 }, 20_000)
    const { verifier } = verify(wal.start, wal.bytes)
    expect(begun).toBe(before)
    expect(verifier.verifiedLsn).toBe(before)
    expect(verifier.unfinishedRecordLsn).toBe(before)
  })

  it('begins anywhere: behind the rest of a record that began before', () => {
    const wal = someWal()
    for (const offset of [PAGE_SIZE * 3, PAGE_SIZE * 3 + 8, SEGMENT_SIZE, SEGMENT_SIZE * 3]) {
      const { verifier, problems } = verify((START + BigInt(offset)) as Lsn, wal.bytes.subarray(offset))
      expect(problems).toEqual([])
      expect(verifier.verifiedLsn).toBe(wal.lsn)
    }
  })

  it('has not verified the rest of a record that began before', () => {
    const wal = new WalBytes(START)
    wal.record({ bodyLength: 5 * PAGE_SIZE })
    const { verifier } = verify(
      (START + BigInt(PAGE_SIZE)) as Lsn,
      wal.bytes.subarray(PAGE_SIZE, 3 * PAGE_SIZE),
    )
    expect(verifier.verifiedLsn).toBe(START + BigInt(PAGE_SIZE))
  })

  it('takes a record that a crash cut short, and the page that says so', () => {
    const wal = new WalBytes(START)
    wal.record()
    wal.record({ bodyLength: 20_000 }, 9000)
    wal.fill('page')
    wal.page(0x0008, 0)
    wal.record({ resourceManager: 0, info: 0xd0, bodyLength: 18 })
    wal.record()
    const { verifier, problems } = verify(wal.start, wal.bytes)
    expect(problems).toEqual([])
    expect(verifier.overwrittenRecords).toBe(1)
    expect(verifier.verifiedLsn).toBe(wal.lsn)
  })

  it('does not take another record for the one that says which was given up', () => {
    const wal = new WalBytes(START)
    wal.record({ bodyLength: 20_000 }, 9000)
    wal.fill('page')
    wal.page(0x0008, 0)
    wal.record({ bodyLength: 18 })
    expect(verify(wal.start, wal.bytes).kinds).toEqual(['continuation'])
  })

  it.each([0, 0xaa])('does not look behind a segment switch (filled with %d)', (byte) => {
    const wal = new WalBytes(START)
    wal.record()
    wal.record({ resourceManager: 0, info: 0x40, bodyLength: 0 })
    wal.fill('segment', byte)
    wal.record()
    const { verifier, problems } = verify(wal.start, wal.bytes, {}, 999)
    expect(problems).toEqual([])
    expect(verifier.verifiedLsn).toBe(wal.lsn)
  })

  it('tells zeros at the end from zeros with something behind them', () => {
    const wal = new WalBytes(START)
    wal.record()
    const end = wal.lsn
    const tail = Buffer.concat([wal.bytes, Buffer.alloc(5 * PAGE_SIZE - wal.bytes.length)])
    const atEnd = verify(wal.start, tail, {}, 1000)
    expect(atEnd.problems).toEqual([])
    expect(atEnd.verifier.zerosFrom).toBe(end)
    expect(atEnd.verifier.verifiedLsn).toBe(end)
    expect(verify(wal.start, tail, { zeros: 'problem' }).kinds).toEqual(['zeros'])
    for (const offset of [Number(end - START), 2 * PAGE_SIZE + 3, 3 * PAGE_SIZE + 100]) {
      const stray = Buffer.from(tail)
      stray[offset] = 1
      const found = verify(wal.start, stray)
      expect(found.problems).toEqual([])
      expect(found.verifier.zerosFrom).toBe(end)
      expect(found.verifier.bytesBehindEnd).toBe(1)
    }
    someWal().bytes.copy(tail, 4 * PAGE_SIZE, 4 * PAGE_SIZE, 5 * PAGE_SIZE)
    for (const size of [1, 5000, 100_000]) {
      const found = verify(wal.start, tail, {}, size)
      expect(found.problems).toMatchObject([{ kind: 'zeros', lsn: end }])
    }
  })

  it.each([
    ['a wiped page', (bytes: Buffer) => bytes.fill(0, 3 * PAGE_SIZE, 4 * PAGE_SIZE)],
    ['wiped pages', (bytes: Buffer) => bytes.fill(0, 3 * PAGE_SIZE, 9 * PAGE_SIZE)],
    [
      'a page of another place',
      (bytes: Buffer) => bytes.copyWithin(3 * PAGE_SIZE, 9 * PAGE_SIZE, 10 * PAGE_SIZE),
    ],
    ['noise', (bytes: Buffer) => bytes.fill(0x5c, 3 * PAGE_SIZE + 1000, 7 * PAGE_SIZE)],
    [
      'the sector of another record',
      (bytes: Buffer) => bytes.copyWithin(3 * PAGE_SIZE + 512, 9 * PAGE_SIZE, 9 * PAGE_SIZE + 512),
    ],
  ])('makes one problem of %s, and goes on behind it', (_, damage) => {
    const wal = someWal()
    const { bytes } = wal
    damage(bytes)
    const { verifier, problems } = verify(wal.start, bytes)
    expect(problems).toHaveLength(1)
    const [problem] = problems
    expect(problem!.lsn).toBeLessThan(START + BigInt(4 * PAGE_SIZE))
    expect(problem!.resumedAt).toBeGreaterThan(problem!.lsn)
    expect(problem!.resumedAt).toBeLessThan(START + BigInt(12 * PAGE_SIZE))
    expect(problem!.segment).toBe('000000010000000000000FFE')
    expect(verifier.verifiedLsn).toBeLessThanOrEqual(problem!.lsn)
    expect(verifier.lastRecordLsn).toBe(wal.prev)
  })

  it('tells two bad records apart', () => {
    const wal = someWal()
    const { bytes } = wal
    bytes[PAGE_SIZE * 2 + 500]! ^= 1
    bytes[PAGE_SIZE * 20 + 500]! ^= 1
    expect(verify(wal.start, bytes).kinds).toEqual(['checksum', 'checksum'])
  })

  it('finds a segment that is missing when the next one is put in its place', () => {
    const wal = new WalBytes(START)
    while (wal.lsn < START + BigInt(3 * SEGMENT_SIZE)) wal.record({ bodyLength: 1000 })
    const { verifier } = verify(wal.start, wal.bytes.subarray(0, SEGMENT_SIZE))
    expect(() =>
      verifier.push((START + BigInt(2 * SEGMENT_SIZE)) as Lsn, wal.bytes.subarray(2 * SEGMENT_SIZE)),
    ).toThrow(RangeError)
  })

  it('refuses the WAL of another cluster and of another timeline', () => {
    const wal = someWal()
    expect(verify(wal.start, wal.bytes, { systemIdentifier: 1n }).kinds[0]).toBe('other-cluster')
    const other = new WalBytes(START, 3)
    other.record()
    expect(verify(other.start, other.bytes).kinds).toEqual(['timeline'])
  })

  it('knows which pages are of the timeline before', () => {
    const wal = new WalBytes(START)
    while (wal.lsn < START + BigInt(10 * PAGE_SIZE)) wal.record({ bodyLength: 500 })
    const switchPoint = wal.lsn
    wal.timeline = 2
    while (wal.lsn < START + BigInt(20 * PAGE_SIZE)) wal.record({ bodyLength: 500 })
    const good = { timeline: 2, ancestors: [{ timeline: 1, switchPoint }] }
    expect(verify(wal.start, wal.bytes, good).problems).toEqual([])
    const bad = { timeline: 2, ancestors: [{ timeline: 1, switchPoint: START }] }
    expect(verify(wal.start, wal.bytes, bad).kinds[0]).toBe('timeline')
    expect(verify(wal.start, wal.bytes, { timeline: 2, ancestors: null }).problems).toEqual([])
  })
})
