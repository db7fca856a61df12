import { chmodSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CompressionSpec, NO_COMPRESSION } from '../../src/codec/index.js'
import { lsnAdd } from '../../src/wal/index.js'
import { noise, pieces, walLikeBytes } from '../codec/sample-data.js'
import {
  contentOf,
  lsnOf,
  MB,
  namesIn,
  openWriter,
  segment,
  temporaryDirectory,
} from './wal-directory-fixture.js'

const SPECS: [string, CompressionSpec, string][] = [
  ['plain', NO_COMPRESSION, ''],
  ['gzip', { algorithm: 'gzip', level: 1 }, '.gz'],
  ['lz4', { algorithm: 'lz4', level: undefined }, '.lz4'],
]

/** A random number generator that gives the same numbers in each run of the tests. */
function randomSizes(seed: number, limit: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    // Small sizes are as likely as large ones.
    return 1 + Math.floor(limit ** (state / 2 ** 32)) - 1
  }
}

describe.each(SPECS)('%s segments', (_, compression, extension) => {
  it('become final one by one, and the last one stays partial', async () => {
    const directory = temporaryDirectory()
    const finished: [string, bigint][] = []
    const writer = await openWriter(directory, {
      compression,
      onFinished: (name, end) => finished.push([name, end]),
    })
    const data = walLikeBytes(2 * MB + 5000)
    expect(namesIn(directory)).toEqual([])
    await writer.write(lsnOf(1), [data], false)
    expect(writer.written).toBe(lsnOf(3, 5000))
    expect(await writer.close()).toEqual({ partial: `${segment(3)}${extension}.partial` })
    expect(namesIn(directory)).toEqual([
      `${segment(1)}${extension}`,
      `${segment(2)}${extension}`,
      `${segment(3)}${extension}.partial`,
    ])
    expect(finished).toEqual([
      [`${segment(1)}${extension}`, lsnOf(2)],
      [`${segment(2)}${extension}`, lsnOf(3)],
    ])
    expect(writer.flushed).toBe(lsnOf(3, 5000))
    const last = await contentOf(directory, `${segment(3)}${extension}.partial`)
    expect(last.subarray(0, 5000).equals(data.subarray(2 * MB))).toBe(true)
    if (extension === '') expect(last.length).toBe(MB)
    else expect(last.length).toBe(5000)
  })

  it.each([
    [1, false],
    [2, false],
    [1, true],
    [2, true],
  ])('hold the bytes they were given (segments of %d MB, synchronous %s)', async (megabytes, synchronous) => {
    const directory = temporaryDirectory()
    const segmentSize = megabytes * MB
    const writer = await openWriter(directory, { compression, segmentSize, synchronous })
    const data = walLikeBytes(4 * segmentSize + 12_345, megabytes)
    const nextSize = randomSizes(megabytes, 400_000)
    let given = 0
    for (let round = 0; given < data.length; round++) {
      const batch: Buffer[] = []
      for (let i = 0; i <= round % 5 && given < data.length; i++) {
        const size = Math.min(nextSize(), data.length - given)
        batch.push(Buffer.from(data.subarray(given, given + size)))
        given += size
      }
      const start = writer.written
      const sync = round % 3 !== 0
      await writer.write(start, batch, sync)
      expect(writer.written).toBe(lsnOf(1, given, segmentSize))
      if (sync) expect(writer.flushed).toBe(writer.written)
      expect(writer.flushed).toBeLessThanOrEqual(writer.written)
      // The memory is the caller's again.
      for (const buffer of batch) buffer.fill(0xee)
    }
    await writer.close()
    for (let i = 0; i < 4; i++) {
      const content = await contentOf(directory, `${segment(i + 1)}${extension}`)
      expect(content.equals(data.subarray(i * segmentSize, (i + 1) * segmentSize))).toBe(true)
    }
    const rest = await contentOf(directory, `${segment(5)}${extension}.partial`)
    expect(rest.subarray(0, 12_345).equals(data.subarray(4 * segmentSize))).toBe(true)
    expect(namesIn(directory).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('end exactly at a batch, and no partial is left then', async () => {
    const directory = temporaryDirectory()
    const writer = await openWriter(directory, { compression })
    await writer.write(lsnOf(1), [walLikeBytes(MB)], true)
    expect(writer.flushed).toBe(lsnOf(2))
    expect(namesIn(directory)).toEqual([`${segment(1)}${extension}`])
    expect(await writer.close()).toEqual({ partial: null })
  })

  it('replace a file of their final name', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, `${segment(1)}${extension}`), 'of a wrong size')
    const writer = await openWriter(directory, { compression })
    const data = noise(MB)
    await writer.write(lsnOf(1), [data], true)
    await writer.close()
    expect((await contentOf(directory, `${segment(1)}${extension}`)).equals(data)).toBe(true)
  })

  it('have the mode that was asked for, whatever the umask', async () => {
    const directory = temporaryDirectory()
    for (const fileMode of [0o600, 0o640]) {
      const writer = await openWriter(directory, { compression, fileMode, start: lsnOf(fileMode) })
      const before = process.umask(0o077)
      await writer.write(lsnOf(fileMode), [walLikeBytes(MB + 100)], true)
      process.umask(before)
      await writer.close()
      for (const name of [`${segment(fileMode)}${extension}`, `${segment(fileMode + 1)}${extension}.partial`])
        expect(statSync(join(directory, name)).mode & 0o777).toBe(fileMode)
    }
  })

  it('are written without durability as well', async () => {
    const directory = temporaryDirectory()
    const writer = await openWriter(directory, { compression, durable: false })
    const data = walLikeBytes(MB + 777)
    await writer.write(lsnOf(1), [data.subarray(0, 100)], false)
    expect(writer.flushed).toBe(lsnOf(1))
    await writer.sync()
    expect(writer.flushed).toBe(lsnOf(1, 100))
    await writer.write(lsnOf(1, 100), [data.subarray(100)], false)
    await writer.close()
    expect(writer.flushed).toBe(lsnOf(2, 777))
    expect((await contentOf(directory, `${segment(1)}${extension}`)).equals(data.subarray(0, MB))).toBe(true)
  })
})

describe('WalWriter', () => {
  it('refuses bytes that do not follow, with the texts of pg_receivewal', async () => {
    const closed = await openWriter(temporaryDirectory())
    await expect(closed.write(lsnOf(1, 40), [Buffer.alloc(10)], false)).rejects.toThrow(
      'received write-ahead log record for offset 40 with no file open',
    )
    await closed.close()
    const writer = await openWriter(temporaryDirectory())
    await writer.write(lsnOf(1), [Buffer.alloc(0x80)], false)
    await expect(writer.write(lsnOf(1, 0x90), [Buffer.alloc(10)], false)).rejects.toMatchObject({
      message: 'got WAL data offset 00000090, expected 00000080',
      code: 'WAL_GAP',
      retryable: true,
    })
    // Nothing is taken after an error, not even what would follow.
    await expect(writer.write(lsnOf(1, 0x80), [Buffer.alloc(10)], false)).rejects.toThrow('got WAL data')
    await writer.close()
  })

  it('refuses to start within a segment', async () => {
    await expect(openWriter(temporaryDirectory(), { start: lsnOf(1, 8) })).rejects.toThrow(RangeError)
  })

  it('needs a directory that is there', async () => {
    const directory = join(temporaryDirectory(), 'nope')
    await expect(openWriter(directory)).rejects.toThrow(
      `could not open directory "${directory}": No such file or directory`,
    )
  })

  it('removes its own left-over hidden files and nothing else', async () => {
    const directory = temporaryDirectory()
    const others = ['.hidden', 'x.tmp', '.walship-000.tmp', '00000002.history.tmp', `${segment(9)}.partial`]
    for (const name of [...others, `.walship-${segment(2)}.tmp`]) writeFileSync(join(directory, name), 'x')
    const writer = await openWriter(directory)
    expect(namesIn(directory)).toEqual([...others].sort())
    await writer.close()
  })

  it('carries out calls in turn when they overlap', async () => {
    const directory = temporaryDirectory()
    const writer = await openWriter(directory)
    const data = walLikeBytes(2 * MB)
    const calls: Promise<unknown>[] = []
    let given = 0
    for (const piece of pieces(data, 100_000)) {
      calls.push(writer.write(lsnAdd(lsnOf(1), given), [piece], false))
      given += piece.length
      calls.push(writer.sync())
    }
    calls.push(writer.close())
    await Promise.all(calls)
    expect(readFileSync(join(directory, segment(1))).equals(data.subarray(0, MB))).toBe(true)
    expect(writer.flushed).toBe(lsnOf(3))
  })
})

describe('a partial that is there already, plain', () => {
  it('keeps its bytes until they are written again', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, `${segment(1)}.partial`)
    const old = noise(MB)
    writeFileSync(path, old, { mode: 0o644 })
    chmodSync(path, 0o644)
    const writer = await openWriter(directory)
    const data = noise(1000, 5)
    await writer.write(lsnOf(1), [data], false)
    const { ino } = statSync(path)
    await writer.close()
    const expected = Buffer.concat([data, old.subarray(1000)])
    expect(readFileSync(path).equals(expected)).toBe(true)
    expect(statSync(path)).toMatchObject({ ino, mode: 0o100644 })
  })

  it.each([0, 1, 5000, MB - 1])('of %d bytes is made full size', async (size) => {
    const directory = temporaryDirectory()
    const path = join(directory, `${segment(1)}.partial`)
    const old = noise(MB).subarray(0, size)
    writeFileSync(path, old)
    const writer = await openWriter(directory)
    await writer.write(lsnOf(1), [Buffer.from('new')], true)
    await writer.close()
    const content = readFileSync(path)
    expect(content.length).toBe(MB)
    expect(content.subarray(0, 3).toString()).toBe('new')
    expect(content.subarray(3, size).equals(old.subarray(3))).toBe(true)
  })

  it('that is too large is an error', async () => {
    const directory = temporaryDirectory()
    const name = `${segment(1)}.partial`
    writeFileSync(join(directory, name), '')
    truncateSync(join(directory, name), MB + 1)
    const writer = await openWriter(directory)
    await expect(writer.write(lsnOf(1), [Buffer.alloc(10)], false)).rejects.toMatchObject({
      message: `write-ahead log file "${name}" has ${MB + 1} bytes, should be 0 or ${MB}`,
      hint: expect.any(String),
    })
    await writer.close()
    expect(statSync(join(directory, name)).size).toBe(MB + 1)
  })
})

describe.each(SPECS.slice(1))('a partial that is there already, %s', (_, compression, extension) => {
  const name = `${segment(1)}${extension}.partial`
  const data = walLikeBytes(MB)

  async function directoryWithPartial(size: number): Promise<string> {
    const directory = temporaryDirectory()
    const writer = await openWriter(directory, { compression })
    await writer.write(lsnOf(1), [data.subarray(0, size)], true)
    await writer.close()
    return directory
  }

  it('is replaced only when the new one holds as much', async () => {
    const directory = await directoryWithPartial(300_000)
    const writer = await openWriter(directory, { compression })
    for (let given = 0; given < 400_000; given += 50_000) {
      await writer.write(lsnOf(1, given), [data.subarray(given, given + 50_000)], true)
      expect(writer.flushed).toBe(lsnOf(1, given + 50_000))
      const content = await contentOf(directory, name)
      expect(content.length).toBe(Math.max(300_000, given + 50_000))
      expect(content.equals(data.subarray(0, content.length))).toBe(true)
    }
    await writer.close()
    expect(namesIn(directory)).toEqual([name])
    expect((await contentOf(directory, name)).equals(data.subarray(0, 400_000))).toBe(true)
  })

  it('is replaced without a call for sync as well', async () => {
    const directory = await directoryWithPartial(300_000)
    const writer = await openWriter(directory, { compression })
    await writer.write(lsnOf(1), [data.subarray(0, 299_999)], false)
    expect(namesIn(directory)).toHaveLength(2)
    await writer.write(lsnOf(1, 299_999), [data.subarray(299_999, 300_001)], false)
    expect(namesIn(directory)).toEqual([name])
    expect((await contentOf(directory, name)).length).toBe(300_001)
    await writer.close()
  })

  it('stays when the new one never got as far', async () => {
    const directory = await directoryWithPartial(300_000)
    const writer = await openWriter(directory, { compression })
    await writer.write(lsnOf(1), [data.subarray(0, 100_000)], true)
    expect(await writer.close()).toEqual({ partial: name })
    expect(namesIn(directory)).toEqual([name])
    expect((await contentOf(directory, name)).length).toBe(300_000)
  })

  it('does not leave its tail behind in a shorter file', async () => {
    const directory = temporaryDirectory()
    // Longer than any stream of this segment will be, and no valid one.
    writeFileSync(join(directory, name), noise(2 * MB))
    const writer = await openWriter(directory, { compression })
    await writer.write(lsnOf(1), [data], true)
    await writer.close()
    expect(namesIn(directory)).toEqual([`${segment(1)}${extension}`])
    expect((await contentOf(directory, `${segment(1)}${extension}`)).equals(data)).toBe(true)
  })

  it('of another compression is removed once the segment is complete, not before', async () => {
    const directory = await directoryWithPartial(300_000)
    writeFileSync(join(directory, `${segment(1, 2)}${extension}.partial`), 'of another timeline')
    const seen: boolean[] = []
    const writer = await openWriter(directory, {
      onFinished: (finished) => seen.push(existsSync(join(directory, finished))),
    })
    await writer.write(lsnOf(1), [data.subarray(0, MB - 1)], true)
    expect(namesIn(directory)).toContain(name)
    await writer.write(lsnOf(1, MB - 1), [data.subarray(MB - 1)], true)
    expect(seen).toEqual([true])
    await writer.close()
    expect(namesIn(directory)).toEqual([segment(1), `${segment(1, 2)}${extension}.partial`])
  })
})
