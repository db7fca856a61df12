import { describe, expect, it } from 'vitest'
import { RangeSet } from '../../src/archive/range-set.js'

/** Small, seeded, so that a failure can be repeated. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return state / 0x7fffffff
  }
}

function randomSet(random: () => number): { set: RangeSet; model: Set<bigint> } {
  const set = new RangeSet()
  const model = new Set<bigint>()
  for (let step = 0; step < 12; step += 1) {
    const from = BigInt(Math.floor(random() * 40))
    const to = from + BigInt(Math.floor(random() * 5))
    if (random() < 0.7) {
      set.add(from, to)
      for (let value = from; value < to; value += 1n) model.add(value)
    } else {
      set.delete(from)
      model.delete(from)
    }
  }
  return { set, model }
}

const sorted = (values: Iterable<bigint>) => [...values].sort((a, b) => Number(a - b))

describe('RangeSet', () => {
  it('is the set it stands for, in ranges that do not touch', () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const random = randomNumbers(seed)
      const a = randomSet(random)
      const b = randomSet(random)
      expect([...a.set]).toEqual(sorted(a.model))
      expect(a.set.size).toBe(a.model.size)
      for (const [index, { from, to }] of a.set.ranges.entries()) {
        expect(from < to).toBe(true)
        const next = a.set.ranges[index + 1]
        if (next !== undefined) expect(to < next.from).toBe(true)
      }
      expect([...a.set.without(b.set)]).toEqual(sorted(a.model).filter((value) => !b.model.has(value)))
      expect([...a.set.within(b.set)]).toEqual(sorted(a.model).filter((value) => b.model.has(value)))
      for (let value = 0n; value < 46n; value += 1n) {
        expect(a.set.has(value)).toBe(a.model.has(value))
        expect(a.set.countFrom(value)).toBe([...a.model].filter((other) => other >= value).length)
        let missing = value
        while (a.model.has(missing)) missing += 1n
        expect(a.set.firstMissing(value)).toBe(missing)
      }
    }
  })

  it('stays one range when segments come in order', () => {
    const set = new RangeSet()
    for (let segment = 5n; segment < 10_005n; segment += 1n) set.add(segment)
    expect(set.ranges).toEqual([{ from: 5n, to: 10_005n }])
    expect([set.first, set.last]).toEqual([5n, 10_004n])
  })
})
