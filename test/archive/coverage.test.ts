import { describe, expect, it } from 'vitest'
import { Catalog } from '../../src/archive/catalog.js'
import { Coverage } from '../../src/archive/coverage.js'
import { RangeSet } from '../../src/archive/range-set.js'
import { INVALID_LSN } from '../../src/wal/index.js'
import { at, SEGMENT_SIZE } from './fake-receiver.js'

function local(...segments: number[]): RangeSet {
  return RangeSet.of(segments.map(BigInt))
}

function make(files: Record<number, RangeSet>, tails: Record<string, number> = {}) {
  const catalog = new Catalog()
  catalog.setLocal(new Map(Object.entries(files).map(([timeline, set]) => [Number(timeline), set])))
  const coverage = new Coverage(
    SEGMENT_SIZE,
    catalog,
    ({ timeline, segment }) => tails[`${timeline}/${segment}`] ?? 0,
  )
  const prove = (timeline: number, segment: number) => {
    catalog.prove({ timeline, segment: BigInt(segment) })
    coverage.update()
  }
  return { catalog, coverage, prove, tails }
}

describe('Coverage', () => {
  it('claims nothing before it follows a timeline', () => {
    const { coverage } = make({ 1: local(1, 2) })
    expect(coverage.update()).toBe(false)
    expect(coverage.archived).toBe(INVALID_LSN)
  })

  it('moves over segments in order, whatever order they arrive in', () => {
    const { coverage, prove } = make({ 1: local(1, 2, 3) })
    coverage.follow(1, 4n)
    prove(1, 3)
    expect(coverage.archived).toBe(at(1))
    prove(1, 1)
    expect(coverage.archived).toBe(at(2))
    prove(1, 2)
    expect(coverage.archived).toBe(at(4))
  })

  it('counts the tail of the segment that is due, and of those a full tail leads to', () => {
    const { coverage, prove, tails } = make({ 1: local(1) })
    coverage.follow(1, 2n)
    tails['1/2'] = 500
    coverage.update()
    expect(coverage.archived).toBe(at(1))
    prove(1, 1)
    expect(coverage.archived).toBe(at(2, 500))
    tails['1/2'] = SEGMENT_SIZE
    tails['1/3'] = 7
    coverage.update()
    expect(coverage.archived).toBe(at(3, 7))
  })

  it('never moves back while it follows one timeline', () => {
    const { coverage, tails } = make({ 1: local() })
    coverage.follow(1, 2n)
    tails['1/2'] = 500
    coverage.update()
    tails['1/2'] = 0
    expect(coverage.update()).toBe(false)
    expect(coverage.archived).toBe(at(2, 500))
  })

  it('leads over older timelines up to where the newer one begins', () => {
    const { coverage, prove } = make({ 1: local(1, 2, 3), 2: local(3, 4), 3: local(5) })
    coverage.follow(3, 6n)
    coverage.proveHistory(3)
    prove(3, 5)
    prove(2, 3)
    prove(2, 4)
    expect(coverage.archived).toBe(at(1))
    prove(1, 1)
    expect(coverage.archived).toBe(at(2))
    prove(1, 2)
    expect(coverage.archived).toBe(at(6))
  })

  it('ends where the new timeline begins until its history is proved', () => {
    const { coverage, prove } = make({ 1: local(2), 2: local(3) })
    coverage.follow(2, 4n)
    prove(1, 2)
    prove(2, 3)
    expect(coverage.archived).toBe(at(3))
    coverage.proveHistory(2)
    coverage.update()
    expect(coverage.archived).toBe(at(4))
  })

  it('begins after the last hole, and says which hole that is', () => {
    const { coverage } = make({ 1: local(1, 2, 6, 7) })
    expect(coverage.follow(1, 8n)).toEqual({ from: 3n, to: 6n })
    expect(make({ 1: local(5, 6) }).coverage.follow(1, 7n)).toBeNull()
    expect(make({ 1: local(5, 6) }).coverage.follow(1, 9n)).toEqual({ from: 7n, to: 9n })
  })

  it('does not count a listed name once the file shows up here', () => {
    const { catalog, coverage } = make({ 1: local(2) })
    catalog.list(1, local(3))
    coverage.follow(1, 4n)
    catalog.prove({ timeline: 1, segment: 2n })
    catalog.addLocal({ timeline: 1, segment: 3n })
    coverage.update()
    expect(coverage.archived).toBe(at(3))
    expect(catalog.pending(1).size).toBe(1)
  })
})
