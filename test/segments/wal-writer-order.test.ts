import { basename } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { WRITE_DURABLY_FLAG } from '../../src/base/index.js'
import { type CompressionSpec, NO_COMPRESSION } from '../../src/codec/index.js'
import { walLikeBytes } from '../codec/sample-data.js'
import { Gate } from './gate.js'
import { ObservedFileSystem } from './observed-file-system.js'
import { lsnOf, MB, namesIn, openWriter, segment, temporaryDirectory } from './wal-directory-fixture.js'

const SPECS: [string, CompressionSpec, string][] = [
  ['plain', NO_COMPRESSION, ''],
  ['gzip', { algorithm: 'gzip', level: 1 }, '.gz'],
  ['lz4', { algorithm: 'lz4', level: undefined }, '.lz4'],
]

describe.each(SPECS)('order of file calls, %s', (_, compression, extension) => {
  it('syncs before it renames, and syncs the directory before the next name is shown', async () => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    const writer = await openWriter(directory, { compression, files })
    const first = `${segment(1)}${extension}`
    const second = `${segment(2)}${extension}`
    await writer.write(lsnOf(1), [walLikeBytes(MB + 1000)], true)
    await writer.close()
    const names = files.log.filter((entry) => !entry.startsWith('write') && !entry.startsWith('close'))
    const directorySync = `sync ${basename(directory)}`
    const order = [
      `datasync ${first}.partial`,
      `rename ${first}.partial ${first}`,
      directorySync,
      `rename .walship-${segment(2)}.tmp ${second}.partial`,
      directorySync,
    ]
    let at = -1
    for (const entry of order) {
      const next = names.indexOf(entry, at + 1)
      expect(next, `${entry} after ${names[at]} in ${names.join('; ')}`).toBeGreaterThan(at)
      at = next
    }
    const lastWrite = files.log.lastIndexOf(`write ${first}.partial`)
    expect(files.log.indexOf(`datasync ${first}.partial`, lastWrite)).toBeLessThan(
      files.log.indexOf(`rename ${first}.partial ${first}`),
    )
  })

  it('takes bytes of the next segment while the one before is completed, and does not count them', async () => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    const gate = new Gate()
    files.react = (call) =>
      call.kind === 'rename' && call.to === `${segment(1)}${extension}` ? gate.pass() : undefined
    const writer = await openWriter(directory, { compression, files })
    await writer.write(lsnOf(1), [walLikeBytes(MB)], false)
    await writer.write(lsnOf(2), [walLikeBytes(MB / 2)], false)
    expect(writer.written).toBe(lsnOf(2, MB / 2))
    expect(writer.flushed).toBe(lsnOf(1))
    expect(namesIn(directory)).toEqual([`.walship-${segment(2)}.tmp`, `${segment(1)}${extension}.partial`])

    let synced = false
    const syncing = writer.sync().then(() => {
      synced = true
    })
    await gate.reached
    await new Promise((resolve) => setImmediate(resolve))
    expect(synced).toBe(false)
    expect(writer.flushed).toBe(lsnOf(1))

    gate.open()
    await syncing
    expect(writer.flushed).toBe(lsnOf(2, MB / 2))
    expect(namesIn(directory)).toEqual([`${segment(1)}${extension}`, `${segment(2)}${extension}.partial`])
    await writer.close()
  })

  it('completes one segment at a time: the next full one waits', async () => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    const gate = new Gate()
    files.react = (call) =>
      call.kind === 'rename' && call.to === `${segment(1)}${extension}` ? gate.pass() : undefined
    const writer = await openWriter(directory, { compression, files })
    let done = false
    const writing = writer.write(lsnOf(1), [walLikeBytes(2 * MB)], false).then(() => {
      done = true
    })
    await gate.reached
    await new Promise((resolve) => setImmediate(resolve))
    expect(done).toBe(false)
    gate.open()
    await writing
    await writer.close()
    expect(namesIn(directory)).toEqual([`${segment(1)}${extension}`, `${segment(2)}${extension}`])
  })

  it('makes no fsync at all when durability is off', async () => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    const writer = await openWriter(directory, { compression, files, durable: false, synchronous: true })
    for (let i = 0; i < 20; i++) await writer.write(lsnOf(1, i * 100_000), [walLikeBytes(100_000)], true)
    await writer.close()
    expect(files.log.filter((entry) => /sync/.test(entry))).toEqual([])
  })
})

describe('synchronous plain segments', () => {
  it.runIf(WRITE_DURABLY_FLAG !== 0)(
    'need no fsync per commit once the file is known to be synced',
    async () => {
      const directory = temporaryDirectory()
      const files = new ObservedFileSystem()
      const writer = await openWriter(directory, { files, synchronous: true })
      await writer.write(lsnOf(1), [walLikeBytes(8192)], true)
      // One for the zeros that allocate the file, one for the first commit.
      expect(files.log.filter((entry) => entry.startsWith('datasync'))).toHaveLength(2)
      for (let i = 1; i < 10; i++) await writer.write(lsnOf(1, i * 8192), [walLikeBytes(8192)], true)
      expect(files.log.filter((entry) => entry === `datasync ${segment(1)}.partial`)).toHaveLength(2)
      // Bytes written without a wish for durability must be synced together with the next commit.
      await writer.write(lsnOf(1, 10 * 8192), [walLikeBytes(8192)], false)
      await writer.write(lsnOf(1, 11 * 8192), [walLikeBytes(8192)], true)
      expect(files.log.filter((entry) => entry === `datasync ${segment(1)}.partial`)).toHaveLength(3)
      await writer.close()
    },
  )

  it('write into a file made ready in the background', async () => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    const writer = await openWriter(directory, { files, synchronous: true })
    const data = walLikeBytes(3 * MB)
    for (let at = 0; at < data.length; at += 16_384)
      await writer.write(lsnOf(1, at), [data.subarray(at, at + 16_384)], true)
    await writer.close()
    expect(files.log).toContain(`rename .walship-${segment(2)}.tmp ${segment(2)}.partial`)
    expect(namesIn(directory)).toEqual([segment(1), segment(2), segment(3)])
  })

  it('do without it when it fails', async () => {
    const directory = temporaryDirectory()
    const files = new ObservedFileSystem()
    let refused = 0
    files.react = (call) => {
      if (call.kind !== 'write' || !call.name.startsWith('.walship-') || (call.byteCount ?? 0) <= 16_384)
        return
      refused += 1
      return 'ENOSPC'
    }
    const writer = await openWriter(directory, { files, synchronous: true })
    const data = walLikeBytes(2 * MB)
    for (let at = 0; at < data.length; at += 16_384)
      await writer.write(lsnOf(1, at), [data.subarray(at, at + 16_384)], true)
    await writer.close()
    expect(refused).toBeGreaterThan(0)
    expect(namesIn(directory)).toEqual([segment(1), segment(2)])
  })

  it('remove it when they are closed', async () => {
    const directory = temporaryDirectory()
    const writer = await openWriter(directory, { synchronous: true })
    for (let i = 0; i < 10; i++) await writer.write(lsnOf(1, i * 50_000), [walLikeBytes(50_000)], true)
    // It is made beside the commits, which do not wait for it.
    await vi.waitFor(() => expect(namesIn(directory)).toContain(`.walship-${segment(2)}.tmp`), 10_000)
    await writer.close()
    expect(namesIn(directory)).toEqual([`${segment(1)}.partial`])
  })
})
