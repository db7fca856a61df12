import { expect, it } from 'vitest'
import { WritePace } from '../../src/base/write-pace.js'

it('lets the main thread write until a write was slow, and again after a while', () => {
  const pace = new WritePace(50, 10_000)
  expect(pace.mayWriteHere(0)).toBe(true)
  pace.wrote(0, 50)
  expect(pace.mayWriteHere(50)).toBe(true)
  pace.wrote(100, 151)
  expect(pace.mayWriteHere(151)).toBe(false)
  expect(pace.mayWriteHere(10_150)).toBe(false)
  expect(pace.mayWriteHere(10_151)).toBe(true)
})
