import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { createCompressor } from '../../src/codec/index.js'
import { readSystemIdentifier } from '../../src/segments/index.js'
import { longPageHeader } from '../wal/page-header-bytes.js'
import { MB, segment, temporaryDirectory } from './wal-directory-fixture.js'

function firstPage(number: number, systemIdentifier: bigint, littleEndian = true): Buffer {
  const header = longPageHeader({
    pageAddress: BigInt(number * MB),
    systemIdentifier,
    segmentSize: MB,
    littleEndian,
  })
  return Buffer.concat([header, Buffer.alloc(8192 - header.length)])
}

describe('readSystemIdentifier', () => {
  it('is null for a directory that says nothing', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, `${segment(3)}.partial`), '')
    writeFileSync(join(directory, segment(2)), Buffer.alloc(MB))
    writeFileSync(join(directory, segment(1)), 'no WAL at all, but long enough to be looked at closely')
    expect(await readSystemIdentifier(directory)).toBeNull()
  })

  it('takes the newest file that has a header', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, `${segment(4)}.partial`), Buffer.alloc(MB))
    writeFileSync(join(directory, segment(3)), firstPage(3, 7_000_000_000_000_000_003n))
    writeFileSync(join(directory, segment(2)), firstPage(2, 7_000_000_000_000_000_002n))
    expect(await readSystemIdentifier(directory)).toEqual({
      systemIdentifier: 7_000_000_000_000_000_003n,
      segmentSize: MB,
      file: segment(3),
    })
  })

  it('does not believe the header of another place in the WAL', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, `${segment(4)}.partial`), firstPage(2, 1n))
    expect(await readSystemIdentifier(directory)).toBeNull()
  })

  it('reads compressed files, torn ones too, and the other byte order', async () => {
    const directory = temporaryDirectory()
    const torn = gzipSync(firstPage(4, 44n)).subarray(0, -8)
    writeFileSync(join(directory, `${segment(4)}.gz.partial`), torn)
    expect((await readSystemIdentifier(directory))?.systemIdentifier).toBe(44n)

    const parts: Buffer[] = []
    const compressor = createCompressor({ algorithm: 'lz4', level: undefined }, async (chunks) => {
      parts.push(...chunks)
    })
    await compressor.write([firstPage(5, 0xffff_ffff_ffff_fff5n, false)])
    await compressor.end()
    writeFileSync(join(directory, `${segment(5)}.lz4`), Buffer.concat(parts))
    expect((await readSystemIdentifier(directory))?.systemIdentifier).toBe(0xffff_ffff_ffff_fff5n)
  })
})
