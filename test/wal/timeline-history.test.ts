import { describe, expect, it } from 'vitest'
import { parseTimelineHistory } from '../../src/wal/index.js'

describe('timeline history files', () => {
  it('name the ancestors, oldest first', () => {
    const text =
      '1\t0/3000158\tno recovery target specified\n\n2\t1/AB000000\tbefore 2000-01-01 02:00:00+02\n'
    expect(parseTimelineHistory(Buffer.from(text))).toEqual([
      { timeline: 1, switchPoint: 0x3000158n },
      { timeline: 2, switchPoint: 0x1ab000000n },
    ])
  })

  it('may have comments, and nothing else', () => {
    expect(parseTimelineHistory(Buffer.from('# made by hand\n  3 0/10\n'))).toEqual([
      { timeline: 3, switchPoint: 16n },
    ])
    expect(parseTimelineHistory(Buffer.alloc(0))).toEqual([])
  })

  it.each([
    'x',
    '1',
    '1\t0\n',
    '2\t0/1\n1\t0/2\n',
    '1\t0/1\n1\t0/2\n',
    '1\t0/123456789\tx',
    '0\t0/1\n',
    '4294967296\t0/1\n',
  ])('%j is none', (text) => {
    expect(parseTimelineHistory(Buffer.from(text))).toBeNull()
  })
})
