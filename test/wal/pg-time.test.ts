import { expect, it } from 'vitest'
import { dateToPgTime, formatPgTime, parsePgTime, pgTimeToDate } from '../../src/wal/index.js'

it('counts microseconds from 2000-01-01 UTC', () => {
  expect(dateToPgTime(new Date('2000-01-01T00:00:00Z'))).toBe(0n)
  expect(dateToPgTime(new Date('1999-12-31T23:59:59Z'))).toBe(-1_000_000n)
  // select extract(epoch from timestamptz '2024-02-29 12:34:56.789Z') gives the Unix side.
  expect(dateToPgTime(new Date(1_709_210_096_789))).toBe(762_525_296_789_000n)
  expect(pgTimeToDate(762_525_296_789_123n).toISOString()).toBe('2024-02-29T12:34:56.789Z')
})

it('prints moments as PostgreSQL does, to the microsecond', () => {
  expect(formatPgTime(762_525_296_789_123n)).toBe('2024-02-29 12:34:56.789123+00')
  expect(formatPgTime(762_525_296_700_000n)).toBe('2024-02-29 12:34:56.7+00')
  expect(formatPgTime(0n)).toBe('2000-01-01 00:00:00+00')
  expect(formatPgTime(-1n)).toBe('1999-12-31 23:59:59.999999+00')
})

it('reads what it prints, and zones', () => {
  for (const micros of [762_525_296_789_123n, 0n, -1n, 5_000_000n])
    expect(parsePgTime(formatPgTime(micros))).toBe(micros)
  const noon = parsePgTime('2026-03-01T12:00:00Z')
  for (const text of ['2026-03-01 13:00+01', '2026-03-01 17:30:00 +05:30', '2026-03-01 07:00:00-0500'])
    expect(parsePgTime(text)).toBe(noon)
  expect(parsePgTime('2026-03-01')).toBe(dateToPgTime(new Date('2026-03-01T00:00:00')))
  for (const text of ['', 'yesterday', '2026-02-30 12:00', '2026-03-01 25:00', '2026-03-01 12:00 CET'])
    expect(parsePgTime(text)).toBeNull()
})
