import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ArchiveIdentity, MemoryStore, openStore, WalArchive } from '../../src/store/index.js'
import { segmentFileName } from '../../src/wal/index.js'
import { noise, walLikeBytes } from '../codec/sample-data.js'
import { longPageHeader } from '../wal/page-header-bytes.js'
import { FaultyStore } from './faulty-store.js'

const MB = 1024 * 1024
const IDENTITY: ArchiveIdentity = {
  systemIdentifier: '7301234567890123456',
  segmentSize: MB,
  layoutVersion: 1,
}
const LZ4 = { algorithm: 'lz4', level: undefined } as const
const GZIP = { algorithm: 'gzip', level: 1 } as const
const NONE = { algorithm: 'none', level: undefined } as const
const NAME = '000000010000000000000003'
const KEY = `wal/00000001/${NAME}`

async function toArray<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('WAL archive', () => {
  let store: FaultyStore
  let archive: WalArchive

  beforeEach(async () => {
    store = new FaultyStore(new MemoryStore())
    archive = await WalArchive.open(store, { compression: LZ4, identity: IDENTITY })
    store.calls.length = 0
  })
  const reopen = (compression: typeof LZ4 | typeof GZIP | typeof NONE, identity?: ArchiveIdentity) =>
    WalArchive.open(store, { compression, identity })

  describe('identity', () => {
    it('is written once, and read by others', async () => {
      const object = await store.get('cluster.json')
      expect(JSON.parse(object!.body.toString())).toEqual(IDENTITY)
      expect((await reopen(LZ4)).identity).toEqual(IDENTITY)
      expect((await reopen(LZ4, IDENTITY)).identity).toEqual(IDENTITY)
      expect(store.count('put')).toBe(0)
    })

    it('refuses another cluster and another segment size, before anything is sent', async () => {
      const refusal = expect.objectContaining({ code: 'ARCHIVE_OTHER_CLUSTER', retryable: false })
      await expect(reopen(LZ4, { ...IDENTITY, systemIdentifier: '1' })).rejects.toEqual(refusal)
      await expect(reopen(LZ4, { ...IDENTITY, segmentSize: 16 * MB })).rejects.toEqual(refusal)
      expect(store.count('put')).toBe(0)
    })

    it.each([
      ['nothing', ''],
      ['no JSON', '<html>'],
      ['a newer layout', JSON.stringify({ ...IDENTITY, layoutVersion: 2 })],
      ['no identifier', JSON.stringify({ ...IDENTITY, systemIdentifier: undefined })],
      ['an odd segment size', JSON.stringify({ ...IDENTITY, segmentSize: 12345 })],
      ['null', 'null'],
    ])('is not guessed from %s', async (_, text) => {
      await store.put('cluster.json', Buffer.from(text), { kind: 'identity', ifAbsent: false })
      await expect(reopen(LZ4)).rejects.toMatchObject({ code: 'ARCHIVE_LAYOUT' })
      await expect(reopen(LZ4, IDENTITY)).rejects.toMatchObject({ code: 'ARCHIVE_LAYOUT' })
    })

    it('is not made anew over WAL that has lost it', async () => {
      await archive.putSegment(NAME, walLikeBytes(MB))
      await store.delete(['cluster.json'])
      await expect(reopen(LZ4, IDENTITY)).rejects.toMatchObject({ code: 'ARCHIVE_NO_IDENTITY' })
    })

    it('is never made by a reader', async () => {
      const empty = new FaultyStore(new MemoryStore())
      const reader = await WalArchive.open(empty, { compression: LZ4 })
      expect(reader.identity).toBeNull()
      const refusal = expect.objectContaining({ code: 'ARCHIVE_NO_IDENTITY' })
      await expect(reader.getSegment(NAME)).rejects.toEqual(refusal)
      await expect(reader.getHistory(2)).rejects.toEqual(refusal)
      await expect(reader.findEnd()).rejects.toEqual(refusal)
      await expect(reader.listTailParts(1, 3n)).rejects.toEqual(refusal)
      const readOnly = { compression: LZ4, identity: IDENTITY, readOnly: true }
      await expect(WalArchive.open(empty, readOnly)).rejects.toEqual(refusal)
      expect(empty.count('put')).toBe(0)
    })

    it('is settled by who will tell a server what is archived, before anything is listed, and by no reader', async () => {
      const settle = vi.spyOn(store, 'settle')
      await reopen(LZ4, IDENTITY)
      expect(settle).toHaveBeenCalledTimes(1)
      await WalArchive.open(store, { compression: LZ4, identity: IDENTITY, readOnly: true })
      await reopen(LZ4)
      expect(settle).toHaveBeenCalledTimes(1)
    })

    it('of two clusters that claim a place at once goes to one', async () => {
      const place = new MemoryStore()
      const claims = await Promise.allSettled(
        ['1', '2', '3'].map((systemIdentifier) =>
          WalArchive.open(place, { compression: LZ4, identity: { ...IDENTITY, systemIdentifier } }),
        ),
      )
      const states = claims.map((claim) => (claim.status === 'fulfilled' ? 'got it' : claim.reason.code))
      expect(states.sort()).toEqual(['ARCHIVE_OTHER_CLUSTER', 'ARCHIVE_OTHER_CLUSTER', 'got it'])
    })
  })

  describe('segments', () => {
    it.each([LZ4, GZIP, NONE])('come back as they were, with %j', async (compression) => {
      const writer = await reopen(compression)
      const raw = walLikeBytes(MB)
      expect(await writer.putSegment(NAME, raw)).toBe('stored')
      const extension = { lz4: '.lz4', gzip: '.gz', none: '' }[compression.algorithm]
      const info = await store.head(KEY + extension)
      expect(info?.metadata).toMatchObject({
        'raw-length': String(MB),
        'system-identifier': IDENTITY.systemIdentifier,
      })
      expect(info?.metadata.sha256).toMatch(/^[0-9a-f]{64}$/)
      for (const reading of [LZ4, GZIP, NONE])
        expect((await (await reopen(reading)).getSegment(NAME))?.equals(raw)).toBe(true)
    })

    it('cost one put and one look each, and two lists of what other compressions have made of it', async () => {
      for (let i = 3; i < 8; i++)
        await archive.putSegment(segmentFileName(1, BigInt(i), MB), walLikeBytes(MB, i))
      expect(store.calls.map(({ verb }) => verb).sort()).toEqual(
        [...Array(5).fill('head'), ...Array(10).fill('list'), ...Array(5).fill('put')].sort(),
      )
    })

    it('are read with one get', async () => {
      await archive.putSegment(NAME, walLikeBytes(MB))
      store.calls.length = 0
      await archive.getSegment(NAME)
      expect(store.calls).toHaveLength(1)
    })

    it('count as stored again when the content is the same', async () => {
      await archive.putSegment(NAME, walLikeBytes(MB))
      expect(await archive.putSegment(NAME, walLikeBytes(MB))).toBe('already-there')
      expect(await (await reopen(LZ4)).putSegment(NAME, walLikeBytes(MB))).toBe('already-there')
    })

    it('with other content are a conflict and stay as they were', async () => {
      await archive.putSegment(NAME, walLikeBytes(MB, 1))
      const error = await archive.putSegment(NAME, walLikeBytes(MB, 2)).catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'ARCHIVE_CONFLICT', retryable: false })
      expect(error.message).toContain(`${KEY}.lz4`)
      expect(error.hint).toContain('split brain')
      expect((await archive.getSegment(NAME))?.equals(walLikeBytes(MB, 1))).toBe(true)
    })

    it('are compared also when stored with another compression before', async () => {
      await archive.putSegment(NAME, walLikeBytes(MB, 1))
      const gzip = await reopen(GZIP)
      expect(await gzip.putSegment(NAME, walLikeBytes(MB, 1))).toBe('already-there')
      expect(await store.head(`${KEY}.gz`)).toBeNull()
      await expect(gzip.putSegment(NAME, walLikeBytes(MB, 2))).rejects.toMatchObject({
        code: 'ARCHIVE_CONFLICT',
      })
    })

    it('are compared also when another compression is stored while this one runs', async () => {
      const gzip = await reopen(GZIP)
      await gzip.putSegment('000000010000000000000002', walLikeBytes(MB))
      await archive.putSegment(NAME, walLikeBytes(MB, 1))
      await expect(gzip.putSegment(NAME, walLikeBytes(MB, 2))).rejects.toMatchObject({
        code: 'ARCHIVE_CONFLICT',
      })
      expect(await store.head(`${KEY}.gz`)).toBeNull()
    })

    it.each([
      ['the same content', 1, 'fulfilled'],
      ['other content', 2, 'rejected'],
    ])('with two compressions at the very same moment: %s is noticed', async (_, seed, status) => {
      const gzip = await reopen(GZIP)
      let release = () => {}
      const until = new Promise<void>((resolve) => {
        release = resolve
      })
      store.plan({ verb: 'put', key: /000003/, fault: { kind: 'hold', until }, times: 2 })
      const both = [
        archive.putSegment(NAME, walLikeBytes(MB, 1)),
        gzip.putSegment(NAME, walLikeBytes(MB, seed)),
      ]
      const settled = Promise.allSettled(both)
      await vi.waitUntil(() => store.count('put', /000003/) === 2, 10_000)
      release()
      const outcomes = await settled
      // The one whose put came later has certainly seen the other's.
      expect(outcomes.some((outcome) => outcome.status === status)).toBe(true)
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') expect(outcome.value).toBe('stored')
        else expect(outcome.reason).toMatchObject({ code: 'ARCHIVE_CONFLICT' })
      }
      if (seed === 1) expect(outcomes.every((outcome) => outcome.status === status)).toBe(true)
      expect(await store.head(`${KEY}.gz`)).not.toBeNull()
      expect(await store.head(`${KEY}.lz4`)).not.toBeNull()
    })

    it('count as stored when the answer to a put got lost', async () => {
      store.plan({ verb: 'put', fault: { kind: 'lose' } })
      const raw = noise(MB)
      await expect(archive.putSegment(NAME, raw)).rejects.toMatchObject({ retryable: true })
      expect(await archive.putSegment(NAME, raw)).toBe('already-there')
    })

    it('do not count as stored when the store says so and has nothing', async () => {
      const liar = new FaultyStore(new MemoryStore())
      const target = await WalArchive.open(liar, { compression: LZ4, identity: IDENTITY })
      liar.put = async () => 'created'
      await expect(target.putSegment(NAME, walLikeBytes(MB))).rejects.toMatchObject({
        code: 'STORE_CORRUPT',
        retryable: true,
      })
    })

    it('do not count as stored when looking fails', async () => {
      store.plan({ verb: 'head', fault: { kind: 'fail' } })
      await expect(archive.putSegment(NAME, walLikeBytes(MB))).rejects.toMatchObject({
        code: 'STORE_UNREACHABLE',
      })
      expect(await archive.putSegment(NAME, walLikeBytes(MB))).toBe('already-there')
    })

    it('damaged on the way are read again; damaged in the store they are an error', async () => {
      const raw = noise(MB)
      await archive.putSegment(NAME, raw)
      store.plan({ verb: 'get', fault: { kind: 'damage' } })
      expect((await archive.getSegment(NAME))?.equals(raw)).toBe(true)
      store.plan({ verb: 'get', fault: { kind: 'damage' }, times: Infinity })
      await expect(archive.getSegment(NAME)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    })

    it.each([
      ['without checksum', {}],
      ['with half a checksum', { sha256: 'ab', 'raw-length': '3' }],
      ['with another length', { sha256: '00'.repeat(32), 'raw-length': '4' }],
    ])('%s are an error, never missing', async (_, metadata) => {
      await store.put(KEY, Buffer.from('abc'), { kind: 'wal', ifAbsent: true, metadata })
      await expect(archive.getSegment(NAME)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    })

    it('of another cluster are an error', async () => {
      const metadata = { 'system-identifier': '1', sha256: '00'.repeat(32), 'raw-length': '3' }
      await store.put(`${KEY}.lz4`, Buffer.from('abc'), { kind: 'wal', ifAbsent: true, metadata })
      const refusal = expect.objectContaining({ code: 'ARCHIVE_OTHER_CLUSTER' })
      await expect(archive.getSegment(NAME)).rejects.toEqual(refusal)
      await expect(archive.putSegment(NAME, walLikeBytes(MB))).rejects.toEqual(refusal)
    })

    it('are missing only when every extension was surely not there', async () => {
      expect(await archive.getSegment(NAME)).toBeNull()
      for (const key of [/\.lz4$/, /\.gz$/, /\.zst$/, /3$/]) {
        store.plan({ verb: 'get', key, fault: { kind: 'fail' } })
        await expect(archive.getSegment(NAME)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
        store.heal()
      }
    })

    it('of the wrong size are refused, and of a partial any size up to a whole is taken', async () => {
      const refusal = expect.objectContaining({ code: 'ARCHIVE_WRONG_CONTENT' })
      await expect(archive.putSegment(NAME, Buffer.alloc(MB - 1))).rejects.toEqual(refusal)
      await expect(archive.putSegment(NAME, Buffer.alloc(MB + 1))).rejects.toEqual(refusal)
      await expect(archive.putSegment(`${NAME}.partial`, Buffer.alloc(MB + 1))).rejects.toEqual(refusal)
      expect(await archive.putSegment(`${NAME}.partial`, walLikeBytes(1000))).toBe('stored')
      expect(await archive.getSegment(NAME)).toBeNull()
      expect((await archive.getSegment(`${NAME}.partial`))?.length).toBe(1000)
    })

    it('whose header tells of something else are refused before they are sent', async () => {
      const segment = (systemIdentifier: bigint, pageAddress: bigint, segmentSize = MB) => {
        const raw = Buffer.alloc(MB)
        longPageHeader({ systemIdentifier, pageAddress, segmentSize }).copy(raw)
        return raw
      }
      const ours = BigInt(IDENTITY.systemIdentifier)
      const wrong = expect.objectContaining({ code: 'ARCHIVE_WRONG_CONTENT' })
      await expect(archive.putSegment(NAME, segment(1n, 0x30_0000n))).rejects.toMatchObject({
        code: 'ARCHIVE_OTHER_CLUSTER',
      })
      await expect(archive.putSegment(NAME, segment(ours, 0x40_0000n))).rejects.toEqual(wrong)
      await expect(archive.putSegment(NAME, segment(ours, 0n, 16 * MB))).rejects.toEqual(wrong)
      await expect(archive.putSegment('000000010000000000001000', Buffer.alloc(MB))).rejects.toEqual(wrong)
      expect(store.calls).toHaveLength(0)
      expect(await archive.putSegment(NAME, segment(ours, 0x30_0000n))).toBe('stored')
    })

    it.each([
      '',
      'x',
      `${NAME}.backup`,
      NAME.toLowerCase().replace('3', 'a'),
      `${NAME}.lz4`,
      '00000002.history',
    ])('cannot be called %j', async (name) => {
      await expect(archive.putSegment(name, Buffer.alloc(MB))).rejects.toThrow(TypeError)
      await expect(archive.getSegment(name)).rejects.toThrow(TypeError)
    })

    it('are listed by name in order', async () => {
      const gzip = await reopen(GZIP)
      await archive.putSegment('000000010000000000000001', walLikeBytes(MB))
      await gzip.putSegment('000000010000000000000002', walLikeBytes(MB))
      await archive.putSegment('000000010000000000000002.partial', walLikeBytes(MB))
      await archive.putSegment('000000010000000000000003', walLikeBytes(MB))
      await archive.putSegment('000000020000000000000003', walLikeBytes(MB))
      await store.put('wal/00000001/readme.txt', Buffer.from('x'), { kind: 'wal', ifAbsent: true })
      const all = ['1', '2', '2.partial', '3'].map((end) => `00000001000000000000000${end}`)
      expect(await toArray(archive.listSegments(1))).toEqual(all)
      for (const [i, after] of all.entries())
        expect(await toArray(archive.listSegments(1, { after }))).toEqual(all.slice(i + 1))
      expect(await toArray(archive.listSegments(1, { after: '000000010000000000000000' }))).toEqual(all)
      expect(await toArray(archive.listSegments(3))).toEqual([])
    })

    it('take marks as further metadata', async () => {
      await archive.putSegment(NAME, walLikeBytes(MB), { marks: { 'wal-check': 'crc-mismatch' } })
      expect((await store.head(`${KEY}.lz4`))?.metadata['wal-check']).toBe('crc-mismatch')
    })

    it('give up at once on the signal, with its reason', async () => {
      const controller = new AbortController()
      const reason = new Error('stop')
      store.plan({ verb: 'put', fault: { kind: 'hold', until: new Promise(() => {}) } })
      const put = archive.putSegment(NAME, walLikeBytes(MB), { signal: controller.signal })
      put.catch(() => {})
      while (store.count('put') === 0) await new Promise(setImmediate)
      controller.abort(reason)
      await expect(put).rejects.toBe(reason)
    })
  })

  describe('history files', () => {
    const HISTORY = Buffer.from('1\t0/3000158\tno recovery target specified\n')

    it('are stored as they are', async () => {
      expect(await archive.getHistory(2)).toBeNull()
      expect(await archive.putHistory(2, HISTORY)).toBe('stored')
      expect(await archive.putHistory(2, HISTORY)).toBe('already-there')
      expect(await archive.getHistory(2)).toEqual(HISTORY)
      expect((await store.get('history/00000002.history'))?.body).toEqual(HISTORY)
    })

    it('of two servers that were promoted at once conflict', async () => {
      await archive.putHistory(2, HISTORY)
      await expect(archive.putHistory(2, Buffer.from('1\t0/4000000\tx\n'))).rejects.toMatchObject({
        code: 'ARCHIVE_CONFLICT',
      })
    })
  })

  describe('tail parts', () => {
    const part = (from: number, to: number) => ({ timeline: 1, segment: 3n, from, to })

    it('come back in order, and go', async () => {
      const raw = noise(MB)
      for (const [from, to] of [
        [8000, MB],
        [0, 100],
        [100, 8000],
        [0, 8000],
      ] as const)
        expect(await archive.putTailPart(part(from, to), raw.subarray(from, to))).toBe('stored')
      const parts = await archive.listTailParts(1, 3n)
      expect(parts).toEqual([part(0, 100), part(0, 8000), part(100, 8000), part(8000, MB)])
      for (const each of parts)
        expect((await archive.readTailPart(each)).equals(raw.subarray(each.from, each.to))).toBe(true)
      await archive.deleteTailParts([part(0, 100), part(100, 8000)])
      expect(await archive.listTailParts(1, 3n)).toEqual([part(0, 8000), part(8000, MB)])
      await archive.deleteTail(1, 3n)
      expect(await archive.listTailParts(1, 3n)).toEqual([])
      await archive.deleteTail(1, 3n)
    })

    it('are compressed when it pays, whatever the reader is set to', async () => {
      const raw = Buffer.alloc(100_000, 'pgbench ')
      await archive.putTailPart(part(0, raw.length), raw)
      expect((await toArray(store.list('tail/')))[0]?.size).toBeLessThan(10_000)
      expect((await (await reopen(NONE)).readTailPart(part(0, raw.length))).equals(raw)).toBe(true)
    })

    it('cost one request each', async () => {
      await archive.putTailPart(part(0, 5), Buffer.from('abcde'))
      expect(store.calls.map(({ verb }) => verb)).toEqual(['put'])
    })

    it('never change', async () => {
      await archive.putTailPart(part(0, 3), Buffer.from('abc'))
      expect(await archive.putTailPart(part(0, 3), Buffer.from('abc'))).toBe('already-there')
      await expect(archive.putTailPart(part(0, 3), Buffer.from('abd'))).rejects.toMatchObject({
        code: 'ARCHIVE_CONFLICT',
      })
    })

    it('that are gone say so, and are worth another try', async () => {
      await expect(archive.readTailPart(part(0, 3))).rejects.toMatchObject({
        code: 'ARCHIVE_TAIL_PART_GONE',
        retryable: true,
      })
    })

    it.each([
      [0, 0, 0],
      [5, 3, 2],
      [0, 3, 4],
      [0, MB + 1, MB + 1],
      [-1, 2, 3],
    ])('from %i to %i of %i bytes make no sense', async (from, to, length) => {
      await expect(archive.putTailPart(part(from, to), Buffer.alloc(length))).rejects.toThrow(RangeError)
    })
  })
})

describe.each(['memory', 'file'])('WAL archive on a %s store, at random', (kind) => {
  let root: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'walship-archive-'))
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  it('gives back what went in, through lost answers, failures and two writers', async () => {
    const inner = await openStore(kind === 'memory' ? 'memory:' : `file://${root}`)
    const faulty = new FaultyStore(inner)
    const writers = await Promise.all(
      [faulty, inner].map((store) => WalArchive.open(store, { compression: LZ4, identity: IDENTITY })),
    )
    let seed = 12345
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      return Math.floor((seed / 2 ** 32) * below)
    }
    const names = Array.from({ length: 6 }, (_, i) => segmentFileName(1, BigInt(i), MB))
    const content = new Map(names.map((name, i) => [name, walLikeBytes(MB, i + 1)]))
    const done = new Set<string>()
    while (done.size < names.length) {
      if (random(2) === 0) {
        const verb = (['put', 'head', 'list'] as const)[random(3)]!
        faulty.plan({ verb, fault: { kind: random(2) === 0 ? 'fail' : 'lose' } })
      }
      const batch = [0, 1, 2].map(() => names[random(names.length)]!)
      const results = await Promise.allSettled(
        batch.map((name) => writers[random(2)]!.putSegment(name, content.get(name)!)),
      )
      for (const [i, result] of results.entries()) {
        if (result.status === 'fulfilled') done.add(batch[i]!)
        else expect(result.reason).toMatchObject({ code: 'STORE_UNREACHABLE' })
      }
      // What was once reported as stored stays readable.
      for (const name of done)
        expect((await writers[1]!.getSegment(name))?.equals(content.get(name)!)).toBe(true)
    }
    await inner.close()
  })
})
