import { describe, expect, it } from 'vitest'
import { type CompressionSpec, NO_COMPRESSION } from '../../src/codec/index.js'
import { findStreamingStart } from '../../src/segments/index.js'
import { noise, walLikeBytes } from '../codec/sample-data.js'
import { ObservedFileSystem } from './observed-file-system.js'
import {
  contentOf,
  lsnOf,
  MB,
  namesIn,
  openWriter,
  segment,
  temporaryDirectory,
} from './wal-directory-fixture.js'

const GZIP: CompressionSpec = { algorithm: 'gzip', level: 1 }
const LZ4: CompressionSpec = { algorithm: 'lz4', level: undefined }
const SPECS: [string, CompressionSpec, string][] = [
  ['plain', NO_COMPRESSION, ''],
  ['gzip', GZIP, '.gz'],
  ['lz4', LZ4, '.lz4'],
]

describe('errors of the writer', () => {
  it('names the count and the segment when a write fails, and can be tried again', async () => {
    const files = new ObservedFileSystem()
    files.react = (call) => (call.kind === 'write' ? 'ENOSPC' : undefined)
    const writer = await openWriter(temporaryDirectory(), { files })
    await expect(
      writer.write(lsnOf(1), [Buffer.alloc(100_000), Buffer.alloc(31_072)], false),
    ).rejects.toMatchObject({
      message: `could not write 131072 bytes to WAL file "${segment(1)}": No space left on device`,
      code: 'WAL_FILE_WRITE_FAILED',
      retryable: true,
      hint: expect.stringContaining('ree space'),
    })
    expect(writer.written).toBe(lsnOf(1))
    await writer.close()
  })

  it('takes a write of nothing for a full disk', async () => {
    const files = new ObservedFileSystem()
    files.react = (call) => (call.kind === 'write' ? 0 : undefined)
    const writer = await openWriter(temporaryDirectory(), { files })
    await expect(writer.write(lsnOf(1), [Buffer.alloc(10)], false)).rejects.toThrow('No space left on device')
    await writer.close()
  })

  it('says what could not be opened', async () => {
    const files = new ObservedFileSystem()
    const writer = await openWriter(temporaryDirectory(), { files })
    files.react = (call) => (call.kind === 'open' ? 'EACCES' : undefined)
    await expect(writer.write(lsnOf(1), [Buffer.alloc(10)], false)).rejects.toMatchObject({
      message: `could not open existing write-ahead log file "${segment(1)}.partial": Permission denied`,
      retryable: true,
    })
    expect(await writer.close()).toEqual({ partial: null })
  })

  it.each(SPECS)(
    'a failed fsync is for good: no second try may hide it (%s)',
    async (_, compression, extension) => {
      const directory = temporaryDirectory()
      const files = new ObservedFileSystem()
      const writer = await openWriter(directory, { files, compression })
      await writer.write(lsnOf(1), [walLikeBytes(1000)], true)
      let failures = 1
      files.react = (call) => (call.kind === 'datasync' && failures-- > 0 ? 'EIO' : undefined)
      await expect(writer.write(lsnOf(1, 1000), [walLikeBytes(1000)], true)).rejects.toMatchObject({
        message: `could not fsync file "${segment(1)}${extension}.partial": Input/output error`,
        code: 'WAL_FILE_SYNC_FAILED',
        retryable: false,
      })
      await expect(writer.sync()).rejects.toThrow('could not fsync')
      const { partial } = await writer.close()
      expect(partial).toBe(`${segment(1)}${extension}.partial`)
      expect(writer.flushed).toBe(lsnOf(1, 1000))
    },
  )

  it.each(SPECS)('close reports a failure that nobody has seen (%s)', async (_, compression) => {
    const files = new ObservedFileSystem()
    const writer = await openWriter(temporaryDirectory(), { files, compression })
    await writer.write(lsnOf(1), [walLikeBytes(1000)], false)
    files.react = (call) => (call.kind === 'datasync' ? 'EIO' : undefined)
    await expect(writer.close()).rejects.toThrow('could not fsync')
    expect(writer.flushed).toBe(lsnOf(1))
  })

  it.each(SPECS)('goes on after short writes (%s)', async (_, compression, extension) => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    let count = 0
    files.react = (call) => (call.kind === 'write' ? 1 + ((count++ * 7919) % 50_000) : undefined)
    const writer = await openWriter(directory, { files, compression })
    const data = noise(MB + 5000)
    const cuts = [0, 1, 2, 1000, 1000, 700_000, MB + 5000]
    const buffers = cuts.slice(1).map((end, i) => data.subarray(cuts[i], end))
    await writer.write(lsnOf(1), buffers, true)
    await writer.close()
    expect((await contentOf(directory, `${segment(1)}${extension}`)).equals(data.subarray(0, MB))).toBe(true)
    const rest = await contentOf(directory, `${segment(2)}${extension}.partial`)
    expect(rest.subarray(0, 5000).equals(data.subarray(MB))).toBe(true)
  })
})

/** Every place where something can fail while two segments are completed and a third is left open. */
const places: [string, (name: string, to: string | undefined) => boolean][] = [
  [
    'the rename of a full segment',
    (_, to) => to?.startsWith(segment(1)) === true && !to.endsWith('.partial'),
  ],
  ['the rename of the next one', (_, to) => to?.startsWith(segment(2)) === true && to.endsWith('.partial')],
]

describe.each(SPECS)('a segment that cannot be completed, %s', (_, compression, extension) => {
  it.each(places)('after a failure of %s nothing newer is shown or acknowledged', async (__, matches) => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    files.react = (call) => (call.kind === 'rename' && matches(call.name, call.to) ? 'EIO' : undefined)
    const writer = await openWriter(directory, { files, compression })
    await writer.write(lsnOf(1), [walLikeBytes(MB / 2)], true)
    const acknowledged = writer.flushed
    await writer.write(lsnOf(1, MB / 2), [walLikeBytes(MB / 2)], false)
    await expect(writer.write(lsnOf(2), [walLikeBytes(1000)], true)).rejects.toThrow('could not rename file')
    await expect(writer.write(lsnOf(2, 1000), [walLikeBytes(1000)], true)).rejects.toThrow('could not rename')
    await writer.close()
    expect(writer.flushed).toBeGreaterThanOrEqual(acknowledged)
    const names = namesIn(directory)
    expect(names.filter((name) => name.startsWith('.'))).toEqual([])
    expect(names).toHaveLength(1)
    expect((await contentOf(directory, names[0]!)).length).toBe(MB)
    const { start } = await findStreamingStart(directory, MB)
    expect(start!.lsn).toBeLessThanOrEqual(writer.flushed)

    // And from there it goes on.
    files.react = () => undefined
    const again = await openWriter(directory, { files, compression, start: start!.lsn })
    await again.write(start!.lsn, [walLikeBytes(MB)], true)
    await again.close()
    expect(namesIn(directory)).toContain(`${segment(1)}${extension}`)
  })

  it('an fsync of the full segment that fails keeps its partial name', async () => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    files.react = (call) => (call.kind === 'datasync' && call.name.startsWith(segment(1)) ? 'EIO' : undefined)
    const writer = await openWriter(directory, { files, compression })
    await writer.write(lsnOf(1), [walLikeBytes(MB)], false)
    await writer.write(lsnOf(2), [walLikeBytes(1000)], false).catch(() => {})
    await expect(writer.sync()).rejects.toMatchObject({ code: 'WAL_FILE_SYNC_FAILED' })
    await writer.close()
    expect(writer.flushed).toBe(lsnOf(1))
    expect(namesIn(directory)).toEqual([`${segment(1)}${extension}.partial`])
  })

  it('a directory that cannot be synced holds back what depends on it', async () => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    const writer = await openWriter(directory, { files, compression })
    files.react = (call) => (call.kind === 'sync' ? 'EIO' : undefined)
    await expect(writer.write(lsnOf(1), [walLikeBytes(1000)], true)).rejects.toThrow('could not fsync file')
    expect(writer.flushed).toBe(lsnOf(1))
    await writer.close()
    expect(writer.flushed).toBe(lsnOf(1))
  })
})

describe('a full disk', () => {
  it.each(SPECS)(
    'costs nothing that was acknowledged, and is got over (%s)',
    async (_, compression, extension) => {
      const directory = temporaryDirectory()
      const files = new ObservedFileSystem()
      const data = noise(2 * MB)
      let writer = await openWriter(directory, { files, compression })
      await writer.write(lsnOf(1), [data.subarray(0, 500_000)], true)
      const acknowledged = writer.flushed
      let room = 40_000
      files.react = (call) => {
        if (call.kind !== 'write') return undefined
        if (room === 0) return 'ENOSPC'
        const count = Math.min(room, call.byteCount!)
        room -= count
        return count
      }
      await expect(
        writer.write(lsnOf(1, 500_000), [data.subarray(500_000, 600_000)], true),
      ).rejects.toMatchObject({
        retryable: true,
      })
      await writer.close().catch(() => {})
      expect(writer.flushed).toBe(acknowledged)
      const name = `${segment(1)}${extension}.partial`
      expect(namesIn(directory)).toEqual([name])
      expect((await contentOf(directory, name)).subarray(0, 500_000).equals(data.subarray(0, 500_000))).toBe(
        true,
      )

      // The disk is still full: the next try must not damage what is there.
      writer = await openWriter(directory, { files, compression })
      await writer.write(lsnOf(1), [data.subarray(0, 600_000)], true).catch(() => {})
      await writer.close().catch(() => {})
      expect((await contentOf(directory, name)).subarray(0, 500_000).equals(data.subarray(0, 500_000))).toBe(
        true,
      )

      files.react = () => undefined
      writer = await openWriter(directory, { files, compression })
      await writer.write(lsnOf(1), [data], true)
      await writer.close()
      for (const [number, part] of [data.subarray(0, MB), data.subarray(MB)].entries())
        expect((await contentOf(directory, `${segment(number + 1)}${extension}`)).equals(part)).toBe(true)
    },
  )
})
