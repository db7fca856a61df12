import { describe, expect, it } from 'vitest'
import { coveringParts, PARTS_PER_MERGE, partsToMerge, type TailPart } from '../../src/archive/tail-plan.js'

const part = (from: number, to: number, generation = 0): TailPart => ({
  timeline: 1,
  segment: 3n,
  from,
  to,
  generation,
})

describe('coveringParts', () => {
  it('takes the fewest parts that lead from the start without a hole', () => {
    const parts = [part(0, 10), part(0, 30), part(10, 20), part(20, 40), part(25, 60), part(70, 80)]
    expect(coveringParts(parts)).toEqual([part(0, 30), part(25, 60)])
    expect(coveringParts([part(5, 10)])).toEqual([])
    expect(coveringParts([])).toEqual([])
  })
})

describe('partsToMerge', () => {
  const run = (count: number, size: number, start = 0, generation = 0) =>
    Array.from({ length: count }, (_, index) =>
      part(start + index * size, start + (index + 1) * size, generation),
    )

  it('waits until there are many of one generation', () => {
    expect(partsToMerge(run(PARTS_PER_MERGE - 1, 10))).toBeNull()
    expect(partsToMerge(run(PARTS_PER_MERGE, 10))).toEqual(run(PARTS_PER_MERGE, 10))
  })

  it('does not join generations', () => {
    const parts = [...run(20, 320, 0, 1), ...run(31, 10, 6400)]
    expect(partsToMerge(parts)).toBeNull()
    expect(partsToMerge([...parts, part(6710, 6720)])).toEqual(run(32, 10, 6400))
  })

  it('leaves parts alone that are large already', () => {
    expect(partsToMerge(run(60, 1024 * 1024))).toBeNull()
  })

  it('keeps the count and the bytes sent small, however many parts come', () => {
    let parts: TailPart[] = []
    let sent = 0
    let most = 0
    for (let count = 0; count < 40_000; count += 1) {
      parts.push(part(count * 100, (count + 1) * 100))
      sent += 100
      for (let due = partsToMerge(parts); due !== null; due = partsToMerge(parts)) {
        const merged = part(due[0]!.from, due.at(-1)!.to, due[0]!.generation + 1)
        parts = parts.filter((other) => !due!.includes(other)).concat(merged)
        parts.sort((a, b) => a.from - b.from)
        sent += merged.to - merged.from
      }
      most = Math.max(most, parts.length)
    }
    expect(most).toBeLessThanOrEqual(4 * PARTS_PER_MERGE)
    expect(sent / (40_000 * 100)).toBeLessThanOrEqual(4)
  })
})
