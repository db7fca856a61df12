import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PackingMemory } from '../../src/codec/packing-memory.js'

const PIECE = 1024 * 1024

describe('memory for packing', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('is used again, and large enough for what comes', () => {
    const memory = new PackingMemory(PIECE, () => {})
    const large = memory.takeBody(16 * PIECE)
    const small = memory.takeBody(100_000)
    memory.giveBody(large)
    memory.giveBody(small)
    expect(memory.takeBody(50_000)).toBe(small)
    expect(memory.takeBody(9 * PIECE)).toBe(large)
    expect(memory.takeBody(16 * PIECE).byteLength).toBeGreaterThan(16 * PIECE)
  })

  it('is dropped after a while without use, and not while a body is in use', () => {
    const onIdle = vi.fn()
    const memory = new PackingMemory(PIECE, onIdle)
    const body = memory.takeBody(PIECE)
    memory.givePiece(memory.takePiece())
    vi.advanceTimersByTime(60_000)
    expect(onIdle).not.toHaveBeenCalled()
    memory.giveBody(body)
    vi.advanceTimersByTime(60_000)
    expect(onIdle).toHaveBeenCalledTimes(1)
    expect(memory.takeBody(PIECE)).not.toBe(body)
  })
})
