import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  type Content,
  contentOf,
  decompressBuffer,
  hasZstd,
  pack,
  type ReaderSource,
  STORE_ALGORITHMS,
  type StoreCompression,
} from '../../src/codec/index.js'
import { noise, walLikeBytes } from './sample-data.js'

const READABLE = STORE_ALGORITHMS.filter((algorithm) => algorithm !== 'zstd' || hasZstd())
const LZ4: StoreCompression = { algorithm: 'lz4', level: undefined }

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

describe.each(READABLE)('packing with %s', (algorithm) => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from([7])],
    ['little', walLikeBytes(32 * 1024)],
    ['a little more', walLikeBytes(32 * 1024 + 1)],
    ['several pieces', walLikeBytes(3 * 1024 * 1024 + 17)],
    ['noise', noise(2 * 1024 * 1024 + 1)],
    ['zeros', Buffer.alloc(2 * 1024 * 1024)],
  ])('gives %s back, and both checksums', async (_, raw) => {
    const packed = await pack({ algorithm, level: undefined }, contentOf(raw))
    expect(packed.sha256).toBe(sha256(raw))
    expect(packed.bodySha256.toString('hex')).toBe(sha256(packed.body))
    expect((await decompressBuffer(algorithm, packed.body, raw.length)).equals(raw)).toBe(true)
    packed.release()
  })
})

describe('packing', () => {
  it('keeps what is packed at the same time apart, in memory that is used again', async () => {
    const contents = Array.from({ length: 6 }, (_, index) => walLikeBytes(2 * 1024 * 1024 + index, index))
    for (let round = 0; round < 3; round++) {
      const packed = await Promise.all(contents.map((raw) => pack(LZ4, contentOf(raw))))
      for (const [index, { body, release }] of packed.entries()) {
        expect((await decompressBuffer('lz4', body, 4 << 20)).equals(contents[index]!)).toBe(true)
        release()
      }
    }
  })

  it('does not touch a body before it was given back', async () => {
    const first = await pack(LZ4, contentOf(walLikeBytes(2 * 1024 * 1024, 1)))
    const before = Buffer.from(first.body)
    const second = await pack(LZ4, contentOf(walLikeBytes(2 * 1024 * 1024, 2)))
    expect(first.body.equals(before)).toBe(true)
    expect(second.body.equals(before)).toBe(false)
  })

  it('passes on what reading says, and goes on with others', async () => {
    const raw = walLikeBytes(3 * 1024 * 1024)
    const broken: Content = {
      length: raw.length,
      read: async (target, from) => {
        if (from >= 2 * 1024 * 1024) throw new Error('the disk is broken')
        raw.copy(target, 0, from)
      },
    }
    const other = pack(LZ4, contentOf(raw))
    await expect(pack(LZ4, broken)).rejects.toThrow('the disk is broken')
    expect((await other).sha256).toBe(sha256(raw))
  })

  it('says that it failed, so that it is tried again', async () => {
    const impossible = { algorithm: 'gzip', level: 77 } as const
    await expect(pack(impossible, contentOf(walLikeBytes(100_000)))).rejects.toMatchObject({
      code: 'PACKING_FAILED',
      retryable: true,
    })
    expect((await pack(LZ4, contentOf(Buffer.alloc(100_000)))).body.length).toBeLessThan(1000)
  })

  it('lets a reader read the content besides', async () => {
    const raw = walLikeBytes(3 * 1024 * 1024 + 17)
    const packed = await pack(LZ4, contentOf(raw), reader('counts'))
    expect(Buffer.from(packed.found!).toString()).toBe(`${raw.length} bytes of ${sha256(raw)}`)
    expect(packed.sha256).toBe(sha256(raw))
    expect((await pack(LZ4, contentOf(raw))).found).toBeNull()
  })

  it('goes on with a new thread when one has ended, and tells those who were on it', async () => {
    const raw = walLikeBytes(3 * 1024 * 1024)
    const ending = pack(LZ4, contentOf(raw), reader('ends the thread'))
    const contents = [1, 2, 3].map((seed) => walLikeBytes(3 * 1024 * 1024, seed))
    const others = Promise.allSettled(contents.map((content) => pack(LZ4, contentOf(content))))
    const packed = await ending
    expect(packed.found).toBeNull()
    expect((await decompressBuffer('lz4', packed.body, raw.length)).equals(raw)).toBe(true)
    for (const [index, outcome] of (await others).entries()) {
      const content = contents[index]!
      if (outcome.status === 'rejected') {
        expect(outcome.reason).toMatchObject({ code: 'PACKING_FAILED', retryable: true })
        expect(outcome.reason.message).toContain('ended with 7')
      } else {
        const { body } = outcome.value
        expect((await decompressBuffer('lz4', body, content.length)).equals(content)).toBe(true)
      }
      expect((await pack(LZ4, contentOf(content))).sha256).toBe(sha256(content))
    }
  })

  it.each(['does not open', 'fails at once', 'fails later', 'fails at the end', 'finds nothing'])(
    'goes on without a reader that %s',
    async (behaviour) => {
      const raw = walLikeBytes(3 * 1024 * 1024)
      const packed = await pack(LZ4, contentOf(raw), reader(behaviour))
      expect(packed.found).toBeNull()
      expect((await decompressBuffer('lz4', packed.body, raw.length)).equals(raw)).toBe(true)
      packed.release()
    },
  )

  it('goes on without a reader that is not there', async () => {
    const nowhere = { module: 'file:///nowhere/reader.js', settings: null }
    expect((await pack(LZ4, contentOf(walLikeBytes(100_000)), nowhere)).found).toBeNull()
  })
})

function reader(behaviour: string): ReaderSource {
  return { module: new URL('content-reader.mjs', import.meta.url).href, settings: behaviour }
}
