import { describe, expect, it } from 'vitest'
import { type PumpWriter, WalPump } from '../../src/receive/wal-pump.js'
import { type Lsn, lsnAdd, toLsn } from '../../src/wal/index.js'

const MB = 1024 * 1024
const START = toLsn(BigInt(3 * MB))
const at = (offset: number) => lsnAdd(START, offset)

/** A writer whose calls end when the test says so. */
class SlowWriter implements PumpWriter {
  written = START
  flushed = START
  readonly calls: { lsn: Lsn; byteCount: number; sync: boolean; settle(error?: Error): void }[] = []
  syncs = 0

  write(lsn: Lsn, buffers: readonly Buffer[], sync: boolean): Promise<void> {
    const byteCount = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        if (error !== undefined) return reject(error)
        this.written = lsnAdd(this.written, byteCount)
        if (sync) this.flushed = this.written
        resolve()
      }
      this.calls.push({ lsn, byteCount, sync, settle })
    })
  }

  async sync(): Promise<void> {
    this.syncs += 1
    this.flushed = this.written
  }
}

interface PumpOptions {
  endLsn?: Lsn
  synchronous?: boolean
  reportsFlush?: boolean
  inspect?(lsn: Lsn, bytes: Buffer): void
}

function makePump(options: PumpOptions = {}) {
  const writer = new SlowWriter()
  const reported: { written: Lsn; flushed: Lsn }[] = []
  const pump = new WalPump(writer, START, {
    segmentSize: MB,
    synchronous: options.synchronous ?? false,
    reportsFlush: options.reportsFlush ?? true,
    endLsn: options.endLsn,
    inspect: options.inspect,
    onBatch: () => reported.push({ written: writer.written, flushed: writer.flushed }),
  })
  return { writer, pump, reported }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('WalPump', () => {
  it('writes all of one read at once, and all that arrives meanwhile as the next batch', async () => {
    const { writer, pump } = makePump({ synchronous: true })
    const first = pump.onWal(START, Buffer.alloc(10))
    expect(pump.onWal(at(10), Buffer.alloc(20))).toBe(first)
    pump.onReadEnd()
    for (let offset = 30; offset < 130; offset += 10) {
      pump.onWal(at(offset), Buffer.alloc(10))
      pump.onReadEnd()
    }
    expect(writer.calls).toMatchObject([{ lsn: START, byteCount: 30, sync: true }])
    writer.calls[0]!.settle()
    await turn()
    expect(writer.calls.slice(1)).toMatchObject([{ lsn: at(30), byteCount: 100, sync: true }])
    await first
  })

  it('keeps the memory of a batch borrowed until it is written', async () => {
    const { writer, pump } = makePump()
    let free = false
    void (pump.onWal(START, Buffer.alloc(10)) as Promise<void>).then(() => {
      free = true
    })
    pump.onReadEnd()
    await turn()
    expect(free).toBe(false)
    writer.calls[0]!.settle()
    await turn()
    expect(free).toBe(true)
  })

  it('makes everything durable before the server gets its answer', async () => {
    const { writer, pump, reported } = makePump()
    pump.onWal(START, Buffer.alloc(10))
    pump.onReadEnd()
    const answered = pump.onKeepalive(at(10), true)
    await turn()
    expect(writer.syncs).toBe(0)
    writer.calls[0]!.settle()
    await answered
    expect(writer.syncs).toBe(1)
    expect(reported.at(-1)).toEqual({ written: at(10), flushed: at(10) })
  })

  it('does not sync for an answer where no flush position is reported, or nothing is new', async () => {
    const silent = makePump({ reportsFlush: false })
    silent.writer.written = at(5)
    await silent.pump.onKeepalive(START, true)
    expect(silent.writer.syncs).toBe(0)
    const idle = makePump()
    await idle.pump.onKeepalive(START, true)
    await idle.pump.onKeepalive(START, false)
    expect(idle.writer.syncs).toBe(0)
  })

  it('fails the stream with the error of the write, and writes nothing after it', async () => {
    const { writer, pump } = makePump()
    const first = pump.onWal(START, Buffer.alloc(10)) as Promise<void>
    pump.onReadEnd()
    pump.onWal(at(10), Buffer.alloc(10))
    writer.calls[0]!.settle(new Error('no space'))
    await expect(first).rejects.toThrow('no space')
    await pump.drain()
    expect(pump.onWal(at(20), Buffer.alloc(10))).toBeUndefined()
    pump.onReadEnd()
    expect(writer.calls).toHaveLength(1)
  })

  it('shows all bytes once when they come, also while others are being written', () => {
    const seen: [Lsn, number][] = []
    const { writer, pump } = makePump({ inspect: (lsn, bytes) => seen.push([lsn, bytes.length]) })
    pump.onWal(START, Buffer.alloc(10))
    expect(seen).toEqual([[START, 10]])
    pump.onReadEnd()
    pump.onWal(at(10), Buffer.alloc(5))
    pump.onReadEnd()
    expect(writer.calls).toHaveLength(1)
    expect(seen).toEqual([
      [START, 10],
      [at(10), 5],
    ])
  })

  it('writes what came before the bytes that were refused, and fails then', async () => {
    const { writer, pump } = makePump({
      inspect: (lsn) => {
        if (lsn === at(20)) throw new Error('damaged')
      },
    })
    const first = pump.onWal(START, Buffer.alloc(10)) as Promise<void>
    pump.onReadEnd()
    const second = pump.onWal(at(10), Buffer.alloc(10)) as Promise<void>
    let failure: unknown
    const refused = (pump.onWal(at(20), Buffer.alloc(10)) as Promise<void>).catch((error) => {
      failure = error
    })
    expect(pump.failure).toMatchObject({ message: 'damaged' })
    expect(pump.received).toBe(at(20))
    expect(pump.onWal(at(30), Buffer.alloc(10))).toBeUndefined()
    writer.calls[0]!.settle()
    await first
    await turn()
    expect(failure).toBeUndefined()
    expect(writer.calls).toMatchObject([{ byteCount: 10 }, { lsn: at(10), byteCount: 10 }])
    writer.calls[1]!.settle()
    await second
    await refused
    expect(failure).toMatchObject({ message: 'damaged' })
    pump.onReadEnd()
    await pump.drain()
    expect(writer.calls).toHaveLength(2)
  })

  describe('with an end position', () => {
    const reaches = async (endLsn: Lsn, length: number) => {
      const { writer, pump } = makePump({ endLsn })
      let reached = false
      void pump.reachedEnd.then(() => {
        reached = true
      })
      pump.onWal(START, Buffer.alloc(length))
      pump.onReadEnd()
      await turn()
      return { reached, byteCount: writer.calls[0]!.byteCount }
    }

    it('goes on at the position itself and stops one byte later', async () => {
      expect(await reaches(at(100), 100)).toEqual({ reached: false, byteCount: 100 })
      expect(await reaches(at(100), 101)).toEqual({ reached: true, byteCount: 101 })
    })

    it('one byte before a segment end writes nothing of the next segment', async () => {
      expect(await reaches(at(MB - 1), MB + 5000)).toEqual({ reached: true, byteCount: MB })
    })

    it('at a segment end needs the first bytes of the next', async () => {
      expect(await reaches(at(MB), MB)).toEqual({ reached: false, byteCount: MB })
      expect(await reaches(at(MB), MB + 5000)).toEqual({ reached: true, byteCount: MB + 5000 })
    })

    it('takes nothing after it', async () => {
      const { pump } = makePump({ endLsn: at(1) })
      pump.onWal(START, Buffer.alloc(10))
      expect(pump.onWal(at(10), Buffer.alloc(10))).toBeUndefined()
      expect(pump.received).toBe(at(10))
    })
  })
})
