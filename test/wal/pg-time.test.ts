import { expect, it } from 'vitest'
import { dateToPgTime, pgTimeToDate } from '../../src/wal/index.js'

it('counts microseconds from 2000-01-01 UTC', () => {
  expect(dateToPgTime(new Date('2000-01-01T00:00:00Z'))).toBe(0n)
  expect(dateToPgTime(new Date('1999-12-31T23:59:59Z'))).toBe(-1_000_000n)
  // select extract(epoch from timestamptz '2024-02-29 12:34:56.789Z') gives the Unix side.
  expect(dateToPgTime(new Date(1_709_210_096_789))).toBe(762_525_296_789_000n)
  expect(pgTimeToDate(762_525_296_789_123n).toISOString()).toBe('2024-02-29T12:34:56.789Z')
})
