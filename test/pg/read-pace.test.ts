import { describe, expect, it } from 'vitest'
import { ReadPace } from '../../src/pg/read-pace.js'

describe('the pace of reading', () => {
  it('never rests while reads are a millisecond apart, or fewer than eight in one', () => {
    const pace = new ReadPace()
    for (let now = 0; now < 1000; now += 1) expect(pace.afterRead(100, now)).toBe(0)
    for (let now = 1000; now < 2000; now += 1 / 6) expect(pace.afterRead(100, now)).toBe(0)
  })

  it('rests from the eighth read in a millisecond on, for as long as it pays', () => {
    const pace = new ReadPace()
    const rests = Array.from({ length: 8 }, (_, read) => pace.afterRead(100, 5 + read / 100))
    expect(rests).toEqual([0, 0, 0, 0, 0, 0, 0, 1])
    expect(pace.afterRead(20_000, 7)).toBe(1)
    expect(pace.afterRead(1024, 9)).toBe(1)
    // Little came in all that time: whatever it was, it is over.
    expect(pace.afterRead(200, 11)).toBe(0)
    expect(pace.afterRead(20_000, 13)).toBe(0)
  })

  it('never rests after a large read', () => {
    const pace = new ReadPace()
    for (let read = 0; read < 100; read++) expect(pace.afterRead(64 * 1024, 5)).toBe(0)
  })
})
