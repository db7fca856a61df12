import { describe, expect, it } from 'vitest'
import { ReadSlabs } from '../../src/pg/read-slabs.js'

/** What a socket does: fills the room it is given. */
function read(slabs: ReadSlabs, byte: number, length: number): Buffer {
  slabs.next().fill(byte, 0, length)
  return slabs.filled(length)
}

describe('ReadSlabs', () => {
  it('never writes to bytes that are held, in any order of reads and releases', () => {
    const slabs = new ReadSlabs(8 * 1024 * 1024, () => {})
    const held: { bytes: Buffer; byte: number; hold: { release(): void } }[] = []
    let state = 42
    const random = (below: number) => {
      state = (state * 1103515245 + 12345) & 0x7fffffff
      return (state >> 8) % below
    }
    for (let round = 0; round < 400; round += 1) {
      const byte = random(256)
      const bytes = read(slabs, byte, 1 + random(60_000))
      if (random(3) > 0) held.push({ bytes, byte, hold: slabs.hold() })
      while (held.length > 40 || (held.length > 0 && random(3) === 0)) {
        const [gone] = held.splice(random(held.length), 1)
        gone!.hold.release()
      }
      for (const { bytes: kept, byte: expected } of held) {
        expect(kept.equals(Buffer.alloc(kept.length, expected))).toBe(true)
      }
    }
  })

  it('goes on in the same memory while nothing is held', () => {
    const slabs = new ReadSlabs(1024 * 1024, () => {})
    const first = read(slabs, 1, 100)
    const second = read(slabs, 2, 100)
    expect(second.buffer).toBe(first.buffer)
    expect(second.byteOffset).toBe(first.byteOffset)
  })

  it('says when so much is held that reading should wait, and when it need not any more', () => {
    let freed = 0
    const slabs = new ReadSlabs(1024 * 1024, () => {
      freed += 1
    })
    const holds: { release(): void }[] = []
    while (!slabs.exhausted) {
      read(slabs, 0, 256 * 1024)
      holds.push(slabs.hold())
    }
    expect(holds.length).toBeLessThanOrEqual(6)
    holds[0]!.release()
    expect(freed).toBe(1)
    expect(slabs.exhausted).toBe(false)
  })
})
