import { describe, expect, it } from 'vitest'
import { segmentFault } from '../../src/restore/segment-check.js'
import { SEGMENT_SIZE, SYSTEM_IDENTIFIER, segmentBytes, segmentNamed } from './known-segments.js'

describe('the look at a segment', () => {
  const name = segmentNamed(3)
  const head = segmentBytes(name)

  it('finds nothing wrong with a true one, whichever cluster asks when none is known', () => {
    expect(segmentFault(name, head, SEGMENT_SIZE, SYSTEM_IDENTIFIER)).toBeNull()
    expect(segmentFault(name, head, SEGMENT_SIZE, null)).toBeNull()
  })

  it('takes one that begins before its timeline does', () => {
    expect(segmentFault(segmentNamed(3, 2), head, SEGMENT_SIZE, null)).toBeNull()
  })

  it.each([
    ['short', name, head, SEGMENT_SIZE - 1, 'it has 1048575 bytes'],
    ['long', name, head, SEGMENT_SIZE + 1, 'it has 1048577 bytes'],
    ['empty', name, head.subarray(0, 0), 0, 'does not begin with a WAL page header'],
    ['all zero', name, Buffer.alloc(40), SEGMENT_SIZE, 'does not begin with a WAL page header'],
    ['another segment', segmentNamed(4), head, SEGMENT_SIZE, 'another segment'],
    ['of a newer timeline', name, segmentBytes(segmentNamed(3, 2)), SEGMENT_SIZE, 'a newer timeline'],
    ['of another cluster', name, segmentBytes(name, 5n), SEGMENT_SIZE, 'system identifier 5'],
  ])('finds one that is %s', (_what, asked, bytes, length, reason) => {
    expect(segmentFault(asked, bytes, length, SYSTEM_IDENTIFIER)).toContain(reason)
  })
})
