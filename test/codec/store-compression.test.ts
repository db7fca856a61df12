import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import {
  compressBuffer,
  decompressBuffer,
  hasZstd,
  parseStoreCompression,
  STORE_ALGORITHMS,
} from '../../src/codec/index.js'
import { noise, walLikeBytes } from './sample-data.js'

const READABLE = STORE_ALGORITHMS.filter((algorithm) => algorithm !== 'zstd' || hasZstd())

describe('compression of archived objects', () => {
  it.each([
    ['lz4', { algorithm: 'lz4', level: undefined }],
    ['none', { algorithm: 'none', level: undefined }],
    ['gzip:9', { algorithm: 'gzip', level: 9 }],
    ['gzip:level=1', { algorithm: 'gzip', level: 1 }],
    ['lz4:12', { algorithm: 'lz4', level: 12 }],
  ])('reads %j', (text, spec) => {
    expect(parseStoreCompression(text)).toEqual(spec)
  })

  it.each(['', 'brotli', 'gzip:0', 'gzip:10', 'gzip:', 'none:1', 'lz4:13', 'LZ4', 'gzip:1:2', 'zstd:20'])(
    'refuses %j',
    (text) => {
      expect(() => parseStoreCompression(text)).toThrow(
        expect.objectContaining({ code: 'INVALID_COMPRESSION' }),
      )
    },
  )

  it('says clearly when the running Node.js has no zstd', async () => {
    if (hasZstd()) {
      expect(parseStoreCompression('zstd:3')).toEqual({ algorithm: 'zstd', level: 3 })
      return
    }
    const refusal = expect.objectContaining({
      code: 'ZSTD_UNAVAILABLE',
      hint: expect.stringContaining('22.15'),
    })
    expect(() => parseStoreCompression('zstd')).toThrow(refusal)
    await expect(decompressBuffer('zstd', Buffer.from([1]), 10)).rejects.toEqual(refusal)
    await expect(compressBuffer({ algorithm: 'zstd', level: 1 }, Buffer.from([1]))).rejects.toEqual(refusal)
  })

  describe.each(READABLE)('%s', (algorithm) => {
    it.each([
      ['nothing', Buffer.alloc(0)],
      ['one byte', Buffer.from([7])],
      ['a few blocks of WAL', walLikeBytes(3 * 1024 * 1024 + 17)],
      ['noise', noise(1024 * 1024 + 1)],
      ['zeros', Buffer.alloc(2 * 1024 * 1024)],
    ])('gives %s back', async (_, raw) => {
      const before = Buffer.from(raw)
      const packed = await compressBuffer({ algorithm, level: undefined }, raw)
      expect(raw.equals(before)).toBe(true)
      expect((await decompressBuffer(algorithm, packed, raw.length)).equals(raw)).toBe(true)
    })
  })

  it.each(READABLE.filter((algorithm) => algorithm !== 'none'))(
    '%s: a cut object is an error',
    async (algorithm) => {
      const packed = await compressBuffer({ algorithm, level: 1 }, noise(300_000))
      for (const length of [0, 1, 5, 1000, packed.length - 1000]) {
        const got = await decompressBuffer(algorithm, packed.subarray(0, length), 300_000).catch(
          (error) => error,
        )
        // An empty input holds an empty content for one library and is an error to another; both are short.
        if (Buffer.isBuffer(got)) expect(got.length).toBeLessThan(300_000)
        else expect(got).toMatchObject({ code: 'CORRUPT_COMPRESSED_DATA' })
      }
    },
  )

  it.each(READABLE)('%s: more than was asked for is an error, and is not unpacked', async (algorithm) => {
    const bomb = await compressBuffer({ algorithm, level: undefined }, Buffer.alloc(200_000_000))
    const before = process.memoryUsage().arrayBuffers
    await expect(decompressBuffer(algorithm, bomb, 1_000_000)).rejects.toMatchObject({
      code: 'CORRUPT_COMPRESSED_DATA',
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000)
  })

  it('lz4: many small blocks that could be large are still read', async () => {
    const piece = walLikeBytes(3000)
    const frame = await compressBuffer({ algorithm: 'lz4', level: 1 }, piece)
    // Behind the header of 7 bytes and before the end mark of 4 is the one block.
    const block = frame.subarray(7, -4)
    const packed = Buffer.concat([
      frame.subarray(0, 7),
      ...Array.from({ length: 400 }, () => block),
      frame.subarray(-4),
    ])
    const raw = Buffer.concat(Array.from({ length: 400 }, () => piece))
    expect((await decompressBuffer('lz4', packed, raw.length)).equals(raw)).toBe(true)
  })

  it('lz4: what other tools write is not taken for more than it is', async () => {
    for (const raw of [
      walLikeBytes(5 * 1024 * 1024),
      Buffer.alloc(64 * 1024),
      Buffer.from('x'),
      noise(300_000),
    ]) {
      const run = spawnSync('lz4', ['-c', '-9', '-BX'], { input: raw, maxBuffer: 1 << 26 })
      if (run.error !== undefined) return void console.warn('SKIPPED: lz4 is not installed')
      expect((await decompressBuffer('lz4', run.stdout, raw.length)).equals(raw)).toBe(true)
    }
  })

  it.each([
    ['gzip', ['gzip', '-dc']],
    ['lz4', ['lz4', '-dc']],
  ] as const)('%s: the stock tool reads it', async (algorithm, [tool, options]) => {
    const raw = walLikeBytes(2 * 1024 * 1024 + 5)
    const input = await compressBuffer({ algorithm, level: undefined }, raw)
    const run = spawnSync(tool, [options], { input, maxBuffer: 1 << 26 })
    if (run.error !== undefined) {
      console.warn(`SKIPPED: ${tool} is not installed`)
      return
    }
    expect(run.stdout.equals(raw)).toBe(true)
  })
})
