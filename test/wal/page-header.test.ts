import { describe, expect, it } from 'vitest'
import { parseLongPageHeader } from '../../src/wal/index.js'
import { longPageHeader } from './page-header-bytes.js'

const header = {
  pageAddress: 0x16_b300_0000n,
  systemIdentifier: 7_234_567_890_123_456_789n,
  segmentSize: 16 * 1024 * 1024,
  timeline: 3,
}

describe('parseLongPageHeader', () => {
  it.each([true, false])('reads both byte orders (little endian: %s)', (littleEndian) => {
    expect(parseLongPageHeader(longPageHeader({ ...header, littleEndian }))).toEqual({
      magic: 0xd110,
      timeline: 3,
      pageAddress: header.pageAddress,
      systemIdentifier: header.systemIdentifier,
      segmentSize: header.segmentSize,
      walBlockSize: 8192,
    })
  })

  it.each([
    ['too few bytes', longPageHeader(header).subarray(0, 39)],
    ['zeros', Buffer.alloc(100)],
    ['a short page header', Buffer.from(longPageHeader(header)).fill(0, 2, 4)],
    ['a segment size that is none', longPageHeader({ ...header, segmentSize: 12_345_678 })],
    ['a page in the middle of a segment', longPageHeader({ ...header, pageAddress: 8192n })],
    ['a block size that is none', longPageHeader({ ...header, walBlockSize: 8193 })],
    ['text', Buffer.from('x'.repeat(100))],
  ])('refuses %s', (_, bytes) => {
    expect(parseLongPageHeader(bytes)).toBeNull()
  })
})
