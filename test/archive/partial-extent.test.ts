import { describe, expect, it } from 'vitest'
import { partialExtent } from '../../src/archive/partial-extent.js'
import { at, SEGMENT_SIZE, walOf } from './fake-receiver.js'

const PAGE = 8192

function partial(size: number, rest?: Buffer): Buffer {
  const content = rest === undefined ? Buffer.alloc(SEGMENT_SIZE) : Buffer.from(rest)
  walOf(3).copy(content, 0, 0, size)
  return content
}

describe('partialExtent', () => {
  it('finds the end of what was written into a fresh file', () => {
    for (const size of [100, PAGE - 1, PAGE, PAGE + 50, 10 * PAGE + 4000, SEGMENT_SIZE - 1]) {
      expect(partialExtent(partial(size), at(3))).toBe(size)
    }
  })

  it('counts nothing of a file that is not the segment', () => {
    expect(partialExtent(Buffer.alloc(SEGMENT_SIZE), at(3))).toBe(0)
    expect(partialExtent(Buffer.alloc(0), at(3))).toBe(0)
    expect(partialExtent(partial(5000), at(4))).toBe(0)
    expect(partialExtent(Buffer.alloc(SEGMENT_SIZE, 7), at(3))).toBe(0)
  })

  it('stops at a page that never reached the disk', () => {
    const content = partial(20 * PAGE)
    content.fill(0, 5 * PAGE, 6 * PAGE)
    expect(partialExtent(content, at(3))).toBeLessThanOrEqual(5 * PAGE)
    expect(partialExtent(content, at(3))).toBeGreaterThanOrEqual(4 * PAGE)
  })

  it('takes nothing of an earlier life of the file for WAL', () => {
    for (const size of [PAGE + 1, 3 * PAGE, 7 * PAGE + 100]) {
      const extent = partialExtent(partial(size, walOf(1)), at(3))
      expect(extent).toBeLessThanOrEqual(size)
      expect(extent).toBeGreaterThan(size - 2 * PAGE)
    }
  })
})
