import { beforeEach, describe, expect, it } from 'vitest'
import { type ArchiveIdentity, MemoryStore, WalArchive } from '../../src/store/index.js'
import { formatLsn, type Lsn, parseLsn, segmentFileName, segmentStart } from '../../src/wal/index.js'
import { FaultyStore } from './faulty-store.js'

const MB = 1024 * 1024
const IDENTITY: ArchiveIdentity = {
  systemIdentifier: '7301234567890123456',
  segmentSize: MB,
  layoutVersion: 1,
}

describe('the end of an archive', () => {
  let store: FaultyStore
  let archive: WalArchive

  beforeEach(async () => {
    store = new FaultyStore(new MemoryStore())
    archive = await WalArchive.open(store, {
      compression: { algorithm: 'lz4', level: undefined },
      identity: IDENTITY,
    })
  })

  /** Only names matter here. */
  const finished = async (timeline: number, from: number, to: number, extension = '.lz4') => {
    for (let segment = from; segment <= to; segment++) {
      const name = segmentFileName(timeline, BigInt(segment), MB)
      const key = `wal/${name.slice(0, 8)}/${name}${extension}`
      await store.put(key, Buffer.alloc(0), { kind: 'wal', ifAbsent: false })
    }
  }
  const tail = (timeline: number, segment: number, from: number, to: number) =>
    archive.putTailPart({ timeline, segment: BigInt(segment), from, to }, Buffer.alloc(to - from))
  const history = (timeline: number, text: string) => archive.putHistory(timeline, Buffer.from(text))
  const end = async (options: { timeline?: number } = {}) => {
    const found = await archive.findEnd(options)
    if (found === null) return null
    const segmentEnd = found.segmentEnd === null ? null : Number(found.segmentEnd / BigInt(MB))
    return [found.timeline, Number(found.lsn) / MB, segmentEnd]
  }
  const at = (segment: number): Lsn => segmentStart(BigInt(segment), MB)

  it('is nowhere when there is no WAL', async () => {
    expect(await end()).toBeNull()
    await history(2, '1\t0/300000\tx\n')
    await finished(1, 5, 5, '.partial.lz4')
    expect(await end()).toBeNull()
  })

  it('is behind the last segment', async () => {
    await finished(1, 3, 7)
    await finished(1, 8, 8, '')
    await finished(1, 9, 9, '.partial.lz4')
    expect(await end()).toEqual([1, 9, 9])
  })

  it('is behind the tail', async () => {
    await finished(1, 3, 7)
    await tail(1, 8, 0, 1000)
    await tail(1, 8, 1000, MB / 2)
    expect(await end()).toEqual([1, 8.5, 8])
  })

  it('is before a hole in the tail, and a tail without a beginning does not count', async () => {
    await finished(1, 3, 7)
    await tail(1, 8, 0, MB / 4)
    await tail(1, 8, MB / 2, MB)
    expect(await end()).toEqual([1, 8.25, 8])
    await archive.deleteTail(1, 8n)
    await tail(1, 8, MB / 2, MB)
    expect(await end()).toEqual([1, 8, 8])
  })

  it('goes through a segment that only its tail holds', async () => {
    await finished(1, 3, 6)
    await tail(1, 7, 0, MB / 2)
    await tail(1, 7, MB / 4, MB)
    await tail(1, 8, 0, MB / 2)
    expect(await end()).toEqual([1, 8.5, 7])
  })

  it('is in a tail alone', async () => {
    await tail(1, 8, 0, MB / 2)
    expect(await end()).toEqual([1, 8.5, null])
  })

  it('is before a segment that went missing among several on their way', async () => {
    await finished(1, 3, 6)
    await finished(1, 8, 9)
    await tail(1, 10, 0, 100)
    expect(await end()).toEqual([1, 7, 7])
    await tail(1, 7, 0, MB / 4)
    expect(await end()).toEqual([1, 7.25, 7])
  })

  it('is behind a hole that was accepted', async () => {
    await finished(1, 3, 6)
    await tail(1, 7, 0, MB / 4)
    await finished(1, 12, 13)
    expect(await end()).toEqual([1, 7.25, 7])
    await archive.recordGap({
      timeline: 1,
      from: (at(7) + BigInt(MB / 4)) as Lsn,
      to: at(12),
      reason: 'slot lost',
    })
    expect(await end()).toEqual([1, 14, 14])
    await tail(1, 14, 0, MB / 2)
    expect(await end()).toEqual([1, 14.5, 14])
  })

  it('is behind an accepted hole in the tail that comes after it', async () => {
    await finished(1, 3, 6)
    await tail(1, 12, 0, MB / 4)
    await archive.recordGap({ timeline: 1, from: at(7), to: at(12), reason: 'slot lost' })
    expect(await end()).toEqual([1, 12.25, 7])
  })

  it('is before a hole that only begins behind an accepted one', async () => {
    await finished(1, 3, 6)
    await finished(1, 12, 13)
    await archive.recordGap({ timeline: 1, from: at(7), to: at(10), reason: 'slot lost' })
    expect(await end()).toEqual([1, 10, 7])
  })

  describe('with several timelines', () => {
    it('is on the newest that holds WAL', async () => {
      await finished(1, 3, 9)
      await history(2, `1\t${formatLsn(at(6))}\tx\n`)
      expect(await end()).toEqual([1, 10, 10])
      await finished(2, 6, 7)
      expect(await end()).toEqual([2, 8, 8])
      expect(await end({ timeline: 1 })).toEqual([1, 10, 10])
      expect(await end({ timeline: 4 })).toBeNull()
    })

    it('is before what is missing of the older timeline', async () => {
      await history(2, `1\t${formatLsn((at(6) + 500n) as Lsn)}\tx\n`)
      await finished(1, 3, 4)
      await finished(2, 6, 8)
      expect(await end()).toEqual([1, 5, 5])
      await finished(1, 5, 5)
      expect(await end()).toEqual([2, 9, 9])
    })

    it('is at the beginning of the newest when that is missing', async () => {
      await history(2, `1\t${formatLsn(at(6))}\tx\n`)
      await finished(1, 3, 5)
      await finished(2, 7, 8)
      expect(await end()).toEqual([2, 6, 6])
    })

    it('does not ask for what was before the archive began', async () => {
      await history(3, `1\t${formatLsn(at(6))}\tx\n2\t${formatLsn(at(9))}\ty\n`)
      await finished(3, 12, 14)
      expect(await end()).toEqual([3, 15, 15])
    })

    it('goes through all ancestors, also one that was left within its first segment', async () => {
      await history(4, `1\t${formatLsn(at(6))}\tx\n2\t0/680000\ty\n3\t${formatLsn(at(8))}\tz\n`)
      await finished(1, 3, 5)
      await finished(3, 6, 7)
      await finished(4, 8, 8)
      expect(await end()).toEqual([4, 9, 9])
      await store.delete(['wal/00000003/000000030000000000000006.lz4'])
      expect(await end()).toEqual([3, 6, 6])
    })

    it('takes a tail on the newest', async () => {
      await history(2, `1\t${formatLsn(at(6))}\tx\n`)
      await finished(1, 3, 5)
      await tail(2, 6, 0, MB / 2)
      expect(await end()).toEqual([2, 6.5, 6])
    })
  })

  it('is an error when the store cannot be asked', async () => {
    await finished(1, 3, 6)
    for (const key of [/^history/, /^wal/, /^tail/]) {
      store.plan({ verb: 'list', key, fault: { kind: 'fail' } })
      await expect(archive.findEnd()).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
      store.heal()
    }
  })

  it.each([
    ['999 segments', 10, 1008, 6],
    ['1000 segments', 10, 1009, 12],
    ['7000 segments', 4090, 11_089, 16],
  ])('of %s is found with few requests', async (_, from, to, most) => {
    await finished(1, from, to)
    store.calls.length = 0
    expect(await end()).toEqual([1, to + 1, to + 1])
    expect(store.count('list')).toBeLessThanOrEqual(most)
  })

  it('is found behind gaps far larger than a page', async () => {
    await finished(1, 1, 1200)
    await finished(1, 500_000, 500_100)
    await finished(1, 90_000_000, 90_000_100)
    store.calls.length = 0
    expect(await end()).toEqual([1, 90_000_101, 90_000_101])
    expect(store.count('list')).toBeLessThanOrEqual(60)
  })

  it('knows the recorded gaps', async () => {
    const gap = { timeline: 3, from: parseLsn('1/10000000'), to: parseLsn('1/20000000') }
    await archive.recordGap({ ...gap, reason: 'slot lost' })
    await archive.recordGap({ ...gap, reason: 'once more' })
    expect(await archive.listGaps()).toEqual([gap])
    const record = (await store.list('gaps/').next()).value
    expect(JSON.parse((await store.get(record!.key))!.body.toString())).toMatchObject({
      ...{ timeline: 3, from: '1/10000000', to: '1/20000000', reason: 'slot lost' },
    })
    await expect(archive.recordGap({ ...gap, to: gap.from, reason: '' })).rejects.toThrow(RangeError)
  })
})
