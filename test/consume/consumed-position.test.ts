import { describe, expect, it } from 'vitest'
import { type ConsumedPosition, checkHistory, consumedPosition } from '../../src/consume/consumed-position.js'
import { DivergedServerError } from '../../src/consume/index.js'
import { parseLsn } from '../../src/wal/index.js'

const server = { systemId: '7', timeline: 1, xlogPos: parseLsn('0/5000'), history: null }
const promoted = {
  ...server,
  timeline: 3,
  history: Buffer.from('1\t0/3000\tno reason\n\n2\t0/4000\tno reason\n'),
}
const at = (lsn: string, timeline: number | null = 1, systemId: string | null = '7'): ConsumedPosition => ({
  lsn: parseLsn(lsn),
  timeline,
  systemId,
})

describe('whether a server holds what was consumed', () => {
  it.each([
    ['nothing was consumed', consumedPosition(null), server],
    ['only a position is known', consumedPosition('0/5000'), server],
    ['the same timeline', at('0/4000'), server],
    ['its end exactly', at('0/5000'), server],
    ['before the switch of a promotion', at('0/2FFF'), promoted],
    ['the switch of a promotion exactly', at('0/3000'), promoted],
    ['the second timeline of three', at('0/4000', 2), promoted],
    ['on the third itself', at('0/4800', 3), promoted],
  ])('yes: %s', (_what, position, facts) => {
    expect(checkHistory(position, facts)).toBe('fits')
  })

  it.each([
    ['another cluster', at('0/1000', 1, '8'), server, /belongs to cluster 7/],
    ['its WAL ends before', at('0/5001'), server, /WAL ends at 0\/5000, before 0\/5001/],
    ['it ends before, and the timeline is not known', consumedPosition('1/0'), server, /WAL ends at/],
    ['consumed beyond the switch', at('0/3001'), promoted, /left timeline 1 at 0\/3000, before 0\/3001/],
    [
      'a timeline that is no ancestor',
      at('0/10', 2),
      { ...promoted, history: Buffer.from('1\t0/3000\tx\n') },
      /not in the history/,
    ],
  ])('no: %s', (_what, position, facts, message) => {
    expect(() => checkHistory(position, facts)).toThrow(DivergedServerError)
    expect(() => checkHistory(position, facts)).toThrow(message)
  })

  it('not now: a server that a promotion left behind', () => {
    expect(checkHistory(at('0/1000', 3), { ...promoted, timeline: 2 })).toBe('older')
  })
})

it('a stored position is read in every form', () => {
  const lsn = parseLsn('0/10')
  expect(consumedPosition(16)).toEqual({ lsn, timeline: null, systemId: null })
  expect(consumedPosition(16n)).toEqual({ lsn, timeline: null, systemId: null })
  expect(consumedPosition({ lsn: '0/10', timeline: 2, systemId: '7' })).toEqual({
    lsn,
    timeline: 2,
    systemId: '7',
  })
  expect(() => consumedPosition('junk')).toThrow(SyntaxError)
})
