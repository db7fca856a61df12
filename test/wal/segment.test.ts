import { describe, expect, it } from 'vitest'
import {
  historyFileName,
  isSegmentFileName,
  isValidSegmentSize,
  MAX_SEGMENT_SIZE,
  MIN_SEGMENT_SIZE,
  parseLsn,
  parseSegmentFileName,
  segmentFileName,
  segmentFloor,
  segmentNumber,
  segmentOffset,
  segmentStart,
  toLsn,
} from '../../src/wal/index.js'

const MB = 1024 * 1024
const LEGAL_SIZES = Array.from({ length: 11 }, (_, power) => MB * 2 ** power)

describe('segment sizes', () => {
  it('allows the powers of two from 1 MB to 1 GB and nothing else', () => {
    expect(LEGAL_SIZES[0]).toBe(MIN_SEGMENT_SIZE)
    expect(LEGAL_SIZES.at(-1)).toBe(MAX_SEGMENT_SIZE)
    for (const size of LEGAL_SIZES) expect(isValidSegmentSize(size)).toBe(true)
    for (const size of [0, -MB, MB / 2, 3 * MB, MB + 1, 2 * MAX_SEGMENT_SIZE, Number.NaN, 1.5 * MB]) {
      expect(isValidSegmentSize(size)).toBe(false)
    }
  })
})

describe.each(LEGAL_SIZES)('segments of %i bytes', (size) => {
  it('splits a position into segment and offset, and puts it together again', () => {
    for (const lsn of [
      0n,
      1n,
      BigInt(size) - 1n,
      BigInt(size),
      0xffff_ffffn,
      0x1_0000_0000n,
      0xfedc_ba98_7654_3210n,
    ]) {
      const position = toLsn(lsn)
      const start = segmentStart(segmentNumber(position, size), size)
      expect(start).toBe(segmentFloor(position, size))
      expect(start + BigInt(segmentOffset(position, size))).toBe(lsn)
      expect(segmentOffset(start, size)).toBe(0)
    }
  })

  it('names segments so that names sort like positions and read back', () => {
    const numbers = [0n, 1n, 0x1_0000_0000n / BigInt(size) - 1n, 0x1_0000_0000n / BigInt(size), 0x12_3456n]
    const names = numbers.map((number) => segmentFileName(3, number, size))
    expect([...names].sort()).toEqual(
      [...numbers].sort((a, b) => (a < b ? -1 : 1)).map((number) => segmentFileName(3, number, size)),
    )
    for (const [index, name] of names.entries()) {
      expect(parseSegmentFileName(name, size)).toEqual({ timeline: 3, segment: numbers[index] })
    }
  })
})

describe('file names', () => {
  it('matches what a server calls its files', () => {
    expect(segmentFileName(1, segmentNumber(parseLsn('16/B374D848'), 16 * MB), 16 * MB)).toBe(
      '0000000100000016000000B3',
    )
    expect(segmentFileName(0xa, segmentNumber(parseLsn('2/C0000000'), 1024 * MB), 1024 * MB)).toBe(
      '0000000A0000000200000003',
    )
    expect(historyFileName(2)).toBe('00000002.history')
  })

  it('takes upper case only, as PostgreSQL does', () => {
    expect(isSegmentFileName('0000000A0000000200000003')).toBe(true)
    expect(isSegmentFileName('0000000a0000000200000003')).toBe(false)
    expect(isSegmentFileName('0000000A000000020000000')).toBe(false)
    expect(parseSegmentFileName('0000000A0000000200000003.gz', 16 * MB)).toBeNull()
  })
})
