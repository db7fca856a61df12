import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { createCompressor } from '../../src/codec/index.js'
import { findStreamingStart } from '../../src/segments/index.js'
import { MB, namesIn, segment, temporaryDirectory } from './wal-directory-fixture.js'

function makeFile(directory: string, name: string, size: number): void {
  writeFileSync(join(directory, name), '')
  truncateSync(join(directory, name), size)
}

async function lz4File(directory: string, name: string, sizes: number[]): Promise<void> {
  const parts: Buffer[] = []
  for (const size of sizes) {
    const compressor = createCompressor({ algorithm: 'lz4', level: undefined }, async (chunks) => {
      parts.push(...chunks)
    })
    await compressor.write([Buffer.alloc(size)])
    await compressor.end()
  }
  writeFileSync(join(directory, name), Buffer.concat(parts))
}

describe('findStreamingStart', () => {
  it('finds nothing in an empty directory or among names that are none of a segment', async () => {
    const directory = temporaryDirectory()
    for (const name of [
      '00000001000000000000000a',
      `${segment(4)}.zst`,
      '00000002.history',
      `${segment(4)}.00000028.backup`,
      `${segment(4)}.partial.gz`,
      `${segment(4)}0`,
      `.walship-${segment(9)}.tmp`,
    ])
      makeFile(directory, name, MB)
    expect(await findStreamingStart(directory, MB)).toEqual({ start: null, skipped: [] })
  })

  it.each<[string, string[], bigint, number]>([
    ['after the newest complete one', [segment(3), segment(4)], 5n, 1],
    ['at the partial one', [segment(3), `${segment(4)}.partial`], 4n, 1],
    ['at a partial one of another compression', [segment(3), `${segment(4)}.gz.partial`], 4n, 1],
    ['at a segment, the complete one wins', [segment(3), `${segment(3)}.lz4.partial`], 4n, 1],
    ['the segment outranks the timeline', [segment(5, 1), segment(4, 2)], 6n, 1],
    ['the newer timeline at the same segment', [segment(4, 1), segment(4, 3), segment(4, 2)], 5n, 3],
    [
      'a partial one on a newer timeline outranks a complete one',
      [segment(4, 1), `${segment(4, 2)}.partial`],
      4n,
      2,
    ],
    ['beyond 4 GB', ['0000000100000001000000FF'], 0x1000n + 0x100n, 1],
  ])('%s', async (_, names, expected, timeline) => {
    const directory = temporaryDirectory()
    for (const name of names) makeFile(directory, name, name.endsWith('.partial') ? 17 : MB)
    const { start, skipped } = await findStreamingStart(directory, MB)
    expect(start).toEqual({ lsn: expected * BigInt(MB), timeline })
    expect(skipped).toEqual([])
  })

  it.each([segment(0), `${segment(0)}.partial`])('takes a lone %s for nothing', async (name) => {
    const directory = temporaryDirectory()
    makeFile(directory, name, MB)
    expect((await findStreamingStart(directory, MB)).start).toBeNull()
  })

  it('skips complete files of a wrong size and deletes none', async () => {
    const directory = temporaryDirectory()
    makeFile(directory, segment(3), MB)
    makeFile(directory, segment(4), 1000)
    makeFile(directory, segment(2), 0)
    mkdirSync(join(directory, segment(5)))
    const before = namesIn(directory)
    const { start, skipped } = await findStreamingStart(directory, MB)
    expect(start).toEqual({ lsn: 4n * BigInt(MB), timeline: 1 })
    const reasons = skipped.map((file) => file.reason)
    expect(reasons).toContain(`segment file "${segment(4)}" has incorrect size 1000, skipping`)
    expect(reasons).toContain(`segment file "${segment(2)}" has incorrect size 0, skipping`)
    expect(reasons).toHaveLength(3)
    expect(namesIn(directory)).toEqual(before)
  })

  it.each([1, 8, 128])('reads the size of a %d MB .gz file', async (megabytes) => {
    const directory = temporaryDirectory()
    const good = gzipSync(Buffer.alloc(megabytes * MB), { level: 1 })
    writeFileSync(join(directory, `${segment(3)}.gz`), good)
    writeFileSync(join(directory, `${segment(4)}.gz`), gzipSync(Buffer.alloc(5)))
    const { start, skipped } = await findStreamingStart(directory, megabytes * MB)
    expect(start?.lsn).toBe(4n * BigInt(megabytes * MB))
    expect(skipped.map((file) => file.reason)).toEqual([
      `compressed segment file "${segment(4)}.gz" has incorrect uncompressed size 5, skipping`,
    ])
  })

  it('decompresses .lz4 files, whose frames add up', async () => {
    const directory = temporaryDirectory()
    await lz4File(directory, `${segment(3)}.lz4`, [MB - 100, 100])
    await lz4File(directory, `${segment(4)}.lz4`, [MB - 1])
    const { start, skipped } = await findStreamingStart(directory, MB)
    expect(start?.lsn).toBe(4n * BigInt(MB))
    expect(skipped.map((file) => file.reason)).toEqual([
      `compressed segment file "${segment(4)}.lz4" has incorrect uncompressed size ${MB - 1}, skipping`,
    ])
  })

  it('says what it cannot examine', async () => {
    const dangling = temporaryDirectory()
    symlinkSync('nowhere', join(dangling, segment(3)))
    await expect(findStreamingStart(dangling, MB)).rejects.toThrow(
      `could not stat file "${dangling}/${segment(3)}": No such file or directory`,
    )
    const short = temporaryDirectory()
    makeFile(short, `${segment(3)}.gz`, 3)
    await expect(findStreamingStart(short, MB)).rejects.toMatchObject({
      message: `could not seek in compressed file "${short}/${segment(3)}.gz": Invalid argument`,
      retryable: false,
    })
    const garbage = temporaryDirectory()
    writeFileSync(join(garbage, `${segment(3)}.lz4`), 'this is not lz4')
    await expect(findStreamingStart(garbage, MB)).rejects.toThrow(
      `could not decompress file "${garbage}/${segment(3)}.lz4": ERROR_frameType_unknown`,
    )
    await expect(findStreamingStart(`${garbage}/nope`, MB)).rejects.toThrow(
      `could not open directory "${garbage}/nope": No such file or directory`,
    )
  })
})
