import { describe, expect, it } from 'vitest'
import { hasHole, tailChain } from '../../src/restore/tail-chain.js'

const part = (from: number, to: number) => ({ from, to })

describe('the chain of tail parts', () => {
  it('is empty without a beginning', () => {
    const parts = [part(10, 20), part(20, 30)]
    expect(tailChain(parts, [])).toEqual([])
    expect(hasHole(parts, [])).toBe(true)
  })

  it('goes from 0 to the first hole, whatever the order of the parts', () => {
    const parts = [part(40, 50), part(10, 20), part(0, 10), part(20, 30)]
    const chain = tailChain(parts, [])
    expect(chain).toEqual([part(0, 10), part(10, 20), part(20, 30)])
    expect(hasHole(parts, chain)).toBe(true)
    expect(hasHole(parts.slice(1), chain)).toBe(false)
  })

  it('takes the one part that replaces many', () => {
    const parts = [part(0, 10), part(0, 30), part(10, 20), part(20, 30), part(30, 35)]
    expect(tailChain(parts, [])).toEqual([part(0, 30), part(30, 35)])
  })

  it('goes on from what is known', () => {
    const parts = [part(0, 10), part(10, 20), part(15, 40)]
    expect(tailChain(parts, [part(0, 10), part(10, 20)])).toEqual([part(0, 10), part(10, 20), part(15, 40)])
  })
})
