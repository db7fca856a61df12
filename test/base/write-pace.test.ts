import { expect, it } from 'vitest'
import { WritePace } from '../../src/base/write-pace.js'

const KILOBYTE = [new Uint8Array(1000), new Uint8Array(24)]

it('lets the main thread write until a write was slow, and again after a while', () => {
  const pace = new WritePace({ slowMs: 50, penaltyMs: 10_000, maxBytes: Number.POSITIVE_INFINITY })
  expect(pace.mayWriteHere(0, KILOBYTE)).toBe(true)
  pace.wrote(0, 50)
  expect(pace.mayWriteHere(50, KILOBYTE)).toBe(true)
  pace.wrote(100, 151)
  expect(pace.mayWriteHere(151, KILOBYTE)).toBe(false)
  expect(pace.mayWriteHere(10_150, KILOBYTE)).toBe(false)
  expect(pace.mayWriteHere(10_151, KILOBYTE)).toBe(true)
})

it('leaves large writes to the pool', () => {
  expect(new WritePace({ slowMs: 5, penaltyMs: 1, maxBytes: 1024 }).mayWriteHere(0, KILOBYTE)).toBe(true)
  expect(new WritePace({ slowMs: 5, penaltyMs: 1, maxBytes: 1023 }).mayWriteHere(0, KILOBYTE)).toBe(false)
})
