import { spawnSync } from 'node:child_process'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  type CompressionSpec,
  contentSize,
  createCompressor,
  decompress,
  recoverable,
} from '../../src/codec/index.js'
import { packingThread } from '../../src/codec/packing-thread.js'
import { noise, pieces, source, walLikeBytes } from './sample-data.js'

const GZIP: CompressionSpec = { algorithm: 'gzip', level: undefined }
const LZ4: CompressionSpec = { algorithm: 'lz4', level: undefined }

class Collected {
  readonly chunks: Buffer[] = []
  readonly output = async (chunks: readonly Buffer[]) => {
    this.chunks.push(...chunks.map((chunk) => Buffer.from(chunk)))
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }
}

async function read(spec: CompressionSpec, packed: Buffer): Promise<Buffer> {
  const blocks: Buffer[] = []
  for await (const block of decompress(spec.algorithm, source(packed, 1000))) blocks.push(block)
  return Buffer.concat(blocks)
}

function onPath(command: string): boolean {
  return spawnSync(command, ['--version']).error === undefined
}

describe.each([
  ['gzip', GZIP],
  ['lz4', LZ4],
] as const)('%s', (command, spec) => {
  const inputs = [
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    ['several blocks of WAL', walLikeBytes(5 * 1024 * 1024 + 333)],
    ['noise', noise(3 * 1024 * 1024 + 1)],
    ['exactly one block', walLikeBytes(256 * 1024)],
  ] as const

  it.each(inputs)('gives back %s', async (_, data) => {
    const collected = new Collected()
    const compressor = createCompressor(spec, collected.output)
    for (const piece of pieces(data, 100_000)) await compressor.write([piece])
    await compressor.end()
    const packed = collected.bytes
    expect((await read(spec, packed)).equals(data)).toBe(true)
    expect(await contentSize(spec.algorithm, source(packed))).toBe(data.length)
  })

  it.runIf(onPath(command)).each(inputs)(`is read by the ${command} program: %s`, async (_, data) => {
    const collected = new Collected()
    const compressor = createCompressor(spec, collected.output)
    await compressor.write([...pieces(data, 777_777)])
    await compressor.end()
    const run = spawnSync(command, ['-d', '-c'], { input: collected.bytes, maxBuffer: 64 * 1024 * 1024 })
    expect(run.stderr.toString()).toBe('')
    expect(run.stdout.equals(data)).toBe(true)
  })

  it('has all bytes in the output after a flush', async () => {
    const data = walLikeBytes(1_500_000)
    const collected = new Collected()
    const compressor = createCompressor(spec, collected.output)
    let given = 0
    for (const size of [1, 5000, 40_000, 700_000, 8192, 300_000]) {
      await compressor.write([data.subarray(given, given + size)])
      given += size
      await compressor.flush()
      expect((await read(spec, collected.bytes)).equals(data.subarray(0, given))).toBe(true)
    }
    await compressor.end()
    expect(await contentSize(spec.algorithm, source(collected.bytes))).toBe(given)
  })

  it('frees the buffers when write resolves', async () => {
    const data = walLikeBytes(4 * 1024 * 1024)
    const collected = new Collected()
    const compressor = createCompressor(spec, collected.output)
    const borrowed = Buffer.alloc(100_000)
    for (const piece of pieces(data, borrowed.length)) {
      piece.copy(borrowed)
      await compressor.write([borrowed.subarray(0, piece.length)])
      borrowed.fill(0xee)
    }
    await compressor.end()
    expect((await read(spec, collected.bytes)).equals(data)).toBe(true)
  })

  it('reports an error of the output, at the latest when it is flushed, and again at the end', async () => {
    const broken = new Error('disk full')
    const compressor = createCompressor(spec, () => Promise.reject(broken))
    const attempt = async () => {
      await compressor.write([noise(5 * 1024 * 1024)])
      await compressor.flush()
    }
    await expect(attempt()).rejects.toBe(broken)
    await expect(compressor.end()).rejects.toBe(broken)
    compressor.destroy()
  })

  it('recovers what was flushed from a file with garbage behind it', async () => {
    const data = walLikeBytes(200_000)
    for (const garbage of [Buffer.alloc(5000), Buffer.alloc(5000, 0xff), noise(5000, 7)]) {
      const collected = new Collected()
      const compressor = createCompressor(spec, collected.output)
      await compressor.write([data])
      await compressor.flush()
      const torn = Buffer.concat([collected.bytes, garbage])
      // Noise may by chance begin like a valid block, so more than what was written is possible.
      expect((await recoverable(spec.algorithm, () => source(torn))).size).toBeGreaterThanOrEqual(data.length)
      compressor.destroy()
    }
  })

  it('recovers a prefix from a file cut anywhere', async () => {
    const data = walLikeBytes(60_000)
    const collected = new Collected()
    const compressor = createCompressor(spec, collected.output)
    for (const piece of pieces(data, 9000)) {
      await compressor.write([piece])
      await compressor.flush()
    }
    await compressor.end()
    const packed = collected.bytes
    let last = 0
    for (let length = 0; length <= packed.length; length += 97) {
      const cut = packed.subarray(0, length)
      const { size } = await recoverable(spec.algorithm, () => source(cut))
      expect(size).toBeGreaterThanOrEqual(last)
      expect((await read(spec, cut)).equals(data.subarray(0, size))).toBe(true)
      last = size
    }
    expect((await recoverable(spec.algorithm, () => source(packed))).size).toBe(data.length)
  })
})

describe('gzip', () => {
  it('ends where zeros begin, as a crash leaves them behind a file, whatever the pieces', async () => {
    const raw = walLikeBytes(50_000)
    const out = new Collected()
    const compressor = createCompressor(GZIP, out.output)
    await compressor.write([raw])
    await compressor.end()
    const packed = Buffer.concat([out.bytes, Buffer.alloc(100_000)])
    for (const size of [7, 1000, packed.length]) {
      const blocks: Buffer[] = []
      for await (const block of decompress('gzip', source(packed, size))) blocks.push(block)
      expect(Buffer.concat(blocks).equals(raw)).toBe(true)
      expect((await recoverable('gzip', () => source(packed, size))).size).toBe(raw.length)
    }
  })

  it('has neither time nor name in its header, and applies the level', async () => {
    const sizes: number[] = []
    for (const level of [1, 9]) {
      const collected = new Collected()
      const compressor = createCompressor({ algorithm: 'gzip', level }, collected.output)
      await compressor.write([walLikeBytes(500_000)])
      await compressor.end()
      expect(collected.bytes.subarray(0, 8).toString('hex')).toBe('1f8b080000000000')
      expect(gunzipSync(collected.bytes).length).toBe(500_000)
      sizes.push(collected.bytes.length)
    }
    expect(sizes[0]).toBeGreaterThan(sizes[1]!)
  })
})

describe('lz4 under load', () => {
  it('takes blocks that come at any moment of a write, and loses none', async () => {
    const data = walLikeBytes(24 * 1024 * 1024)
    // With the slow one all blocks are ready when the output returns, and the queue is suddenly empty.
    for (const delayMs of [0, 30]) {
      const collected = new Collected()
      const compressor = createCompressor(LZ4, async (chunks) => {
        if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
        await collected.output(chunks)
      })
      let state = 99
      for (let given = 0; given < data.length; ) {
        const buffers: Buffer[] = []
        for (let count = 0; count < 30; count += 1) {
          state = (state * 1103515245 + 12345) & 0x7fffffff
          const size = (state >> 8) % (state % 3 === 0 ? 5_000 : 200_000)
          // The compressor borrows this memory only until `write` returns.
          buffers.push(Buffer.from(data.subarray(given, given + size)))
          given += size
        }
        await compressor.write(buffers)
        for (const buffer of buffers) buffer.fill(0xee)
        if (state % 11 === 0) await compressor.flush()
      }
      await compressor.end()
      expect((await read(LZ4, collected.bytes)).equals(data)).toBe(true)
    }
  })

  it('says so when the thread dies, and goes on with a new one for the next file', async () => {
    const data = walLikeBytes(3 * 1024 * 1024)
    packingThread.stopIfIdle()
    process.once('worker', (worker) => void worker.terminate())
    const dying = createCompressor(LZ4, async () => {})
    await expect(dying.write([data]).then(() => dying.flush())).rejects.toMatchObject({
      code: 'PACKING_FAILED',
    })
    await expect(dying.end()).rejects.toMatchObject({ code: 'PACKING_FAILED' })
    dying.destroy()

    const collected = new Collected()
    const next = createCompressor(LZ4, collected.output)
    await next.write([data])
    await next.end()
    expect((await read(LZ4, collected.bytes)).equals(data)).toBe(true)
  })

  it('meets an error of the output at once, and takes nothing any more', async () => {
    let outputs = 0
    const compressor = createCompressor(LZ4, async () => {
      outputs += 1
      if (outputs === 3) throw new Error('disk full')
    })
    const data = walLikeBytes(1024 * 1024)
    const writes = async () => {
      for (let i = 0; i < 20; i++) await compressor.write([data])
    }
    await expect(writes()).rejects.toThrow('disk full')
    await expect(compressor.flush()).rejects.toThrow('disk full')
    await expect(compressor.end()).rejects.toThrow('disk full')
    compressor.destroy()
    expect(outputs).toBe(3)
  })
})
