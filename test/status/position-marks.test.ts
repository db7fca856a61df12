import { describe, expect, it } from 'vitest'
import { PositionMarks } from '../../src/status/index.js'
import type { Lsn } from '../../src/wal/index.js'

const at = (value: number) => BigInt(value) as Lsn

describe('the age of a byte', () => {
  it('is not known before the server was heard', () => {
    expect(new PositionMarks().ageAt(at(5), 100)).toBeNull()
  })

  it('is 0 where nothing is missing, however long ago that was', () => {
    const marks = new PositionMarks()
    marks.observe(at(100), 0)
    expect(marks.ageAt(at(100), 3_600_000)).toEqual({ seconds: 0, atLeast: false })
  })

  it('counts from when the server was first heard to have it', () => {
    const marks = new PositionMarks()
    marks.observe(at(100), 0)
    marks.observe(at(200), 5000)
    marks.observe(at(300), 9000)
    expect(marks.ageAt(at(100), 10_000)).toEqual({ seconds: 5, atLeast: false })
    expect(marks.ageAt(at(199), 10_000)).toEqual({ seconds: 5, atLeast: false })
    expect(marks.ageAt(at(200), 10_000)).toEqual({ seconds: 1, atLeast: false })
  })

  it('is only a lower bound for what was there at the first word', () => {
    const marks = new PositionMarks()
    marks.observe(at(100), 2000)
    marks.observe(at(200), 3000)
    expect(marks.ageAt(at(50), 10_000)).toEqual({ seconds: 8, atLeast: true })
  })

  it('stays a lower bound after the first marks were forgotten', () => {
    const marks = new PositionMarks()
    marks.observe(at(100), 2000)
    marks.observe(at(200), 3000)
    marks.forgetBefore(at(200))
    expect(marks.ageAt(at(50), 10_000)).toMatchObject({ atLeast: true })
    expect(marks.ageAt(at(200), 10_000)).toEqual({ seconds: 0, atLeast: false })
  })

  it('is a lower bound where marks were forgotten, and somebody goes back', () => {
    const marks = new PositionMarks()
    marks.observe(at(100), 1000)
    marks.observe(at(200), 2000)
    marks.observe(at(300), 3000)
    marks.forgetBefore(at(250))
    expect(marks.ageAt(at(150), 10_000)).toEqual({ seconds: 7, atLeast: true })
    expect(marks.ageAt(at(250), 10_000)).toEqual({ seconds: 7, atLeast: false })
  })

  it('does not go back when the server seems to', () => {
    const marks = new PositionMarks()
    marks.observe(at(200), 1000)
    marks.observe(at(100), 2000)
    expect(marks.end).toBe(at(200))
  })

  it('forgets what a timeline that was left had beyond the switch', () => {
    const marks = new PositionMarks()
    marks.observe(at(100), 1000)
    marks.observe(at(300), 2000)
    marks.forgetBeyond(at(200))
    expect(marks.end).toBe(at(200))
    expect(marks.ageAt(at(200), 9000)).toEqual({ seconds: 0, atLeast: false })
    expect(marks.ageAt(at(150), 9000)).toEqual({ seconds: 7, atLeast: false })
  })

  it('is never too small where marks were thinned out, and exact for the newest', () => {
    const marks = new PositionMarks()
    const count = 100_000
    for (let index = 0; index < count; index += 1) marks.observe(at(index), index)
    for (const behind of [1, 10, 100, 1000, 50_000, 99_000]) {
      const position = count - 1 - behind
      const age = marks.ageAt(at(position), count)!
      // The byte after `position` was first heard of at position + 1.
      expect(age.seconds * 1000).toBeGreaterThanOrEqual(count - (position + 1))
    }
    expect(marks.ageAt(at(count - 2), count)!.seconds * 1000).toBe(1)
  })
})
