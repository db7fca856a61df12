import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { CorruptStreamError, contentSize, decompress, firstContentBytes } from '../../src/codec/index.js'
import { decodeLz4Block } from '../../src/codec/lz4-block.js'
import { LZ4_FRAME_HEADER, parseLz4Descriptor } from '../../src/codec/lz4-frame.js'
import { Xxh32, xxh32 } from '../../src/codec/xxh32.js'
import { noise, pieces, source, walLikeBytes } from './sample-data.js'

const hasLz4 = spawnSync('lz4', ['--version']).error === undefined

function lz4(data: Buffer, ...options: string[]): Buffer {
  const run = spawnSync('lz4', ['-q', '-c', ...options, '-'], { input: data, maxBuffer: 64 * 1024 * 1024 })
  if (run.status !== 0) throw new Error(run.stderr.toString())
  return run.stdout
}

async function read(packed: Buffer, pieceSize?: number): Promise<Buffer> {
  const blocks: Buffer[] = []
  for await (const block of decompress('lz4', source(packed, pieceSize))) blocks.push(block)
  return Buffer.concat(blocks)
}

describe('xxh32', () => {
  it.each([
    ['', 0x02cc5d05],
    ['a', 0x550d7456],
    ['abc', 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0xe2293b2f],
  ])('of %j', (text, expected) => {
    expect(xxh32(Buffer.from(text))).toBe(expected)
  })

  it('does not depend on how the bytes are cut', () => {
    const data = noise(1000)
    for (const size of [1, 3, 15, 16, 17, 100]) {
      const hash = new Xxh32()
      for (const piece of pieces(data, size)) hash.update(piece)
      expect(hash.digest()).toBe(xxh32(data))
    }
  })
})

describe('the LZ4 frame we write', () => {
  it('has a header whose constant checksum byte is right', () => {
    expect(parseLz4Descriptor(LZ4_FRAME_HEADER.subarray(4))).toEqual({
      linkedBlocks: false,
      blockChecksums: false,
      contentChecksum: false,
      contentSize: undefined,
      maxBlockSize: 256 * 1024,
    })
  })
})

describe.runIf(hasLz4)('frames of other writers', () => {
  const data = Buffer.concat([walLikeBytes(700_000), noise(300_000), Buffer.alloc(500_000), walLikeBytes(9)])

  it.each([
    ['linked 64 kB blocks without checksums, as of pg_receivewal', ['-B4', '-BD', '--no-frame-crc']],
    ['independent blocks', ['-B5', '-BI']],
    ['block checksums and large blocks', ['-B7', '-BX', '-BD']],
    ['linked blocks at a high level', ['-9', '-B4', '-BD']],
  ])('%s', async (_, options) => {
    const packed = lz4(data, ...options)
    expect((await read(packed)).equals(data)).toBe(true)
    expect((await read(packed, 7)).equals(data)).toBe(true)
  })

  it('adds up concatenated frames and passes over skippable ones', async () => {
    const skippable = Buffer.concat([Buffer.from('502a4d1805000000', 'hex'), Buffer.from('hello')])
    const packed = Buffer.concat([lz4(data.subarray(0, 100)), skippable, lz4(data.subarray(100))])
    expect((await read(packed)).equals(data)).toBe(true)
    expect(await contentSize('lz4', source(packed))).toBe(data.length)
  })

  it('gives the first bytes without reading the rest', async () => {
    const packed = lz4(data, '-B4')
    const damaged = Buffer.concat([packed.subarray(0, 200_000), Buffer.alloc(100, 0xff)])
    expect((await firstContentBytes('lz4', source(damaged), 40)).equals(data.subarray(0, 40))).toBe(true)
  })

  it('takes a file without its end mark, as pg_receivewal does', async () => {
    const packed = lz4(data, '--no-frame-crc')
    expect(await contentSize('lz4', source(packed.subarray(0, -4)))).toBe(data.length)
  })

  it('notices every flipped byte of a file with checksums', async () => {
    const small = walLikeBytes(3000)
    const packed = lz4(small, '-BX', '--content-size')
    for (let at = 4; at < packed.length; at++) {
      const damaged = Buffer.from(packed)
      damaged[at]! ^= 0x40
      // A damaged length may make the file end early, without an error but never with other bytes.
      const result = await read(damaged).catch((error) => error as Error)
      if (result instanceof Error) expect(result).toBeInstanceOf(CorruptStreamError)
      else expect(result.length < small.length || result.equals(small)).toBe(true)
    }
  })
})

describe('faults', () => {
  it.each([
    ['garbage', 'ffffffffffffffff', 'ERROR_frameType_unknown'],
    ['another version', '04224d18a04000', 'ERROR_headerVersion_wrong'],
    ['reserved bits', '04224d18424000', 'ERROR_reservedFlag_set'],
    ['a block size that is none', '04224d18401000', 'ERROR_maxBlockSize_invalid'],
    ['a header checksum', '04224d18606050', 'ERROR_headerChecksum_invalid'],
    ['a block larger than allowed', '04224d1860605101001000', 'ERROR_maxBlockSize_invalid'],
    ['a block that refers to nothing', '04224d1860605105000000' + '1061ffff00', 'ERROR_decompressionFailed'],
  ])('%s', async (_, hex, reason) => {
    await expect(read(Buffer.from(hex, 'hex'))).rejects.toMatchObject({ reason })
  })

  it('never reads or writes out of bounds, whatever the block', () => {
    const target = Buffer.alloc(1000)
    for (let seed = 1; seed < 20_000; seed++) {
      const end = decodeLz4Block(noise(1 + (seed % 60), seed), target.subarray(0, 500), 100)
      expect(end === -1 || (end >= 100 && end <= 500)).toBe(true)
    }
    expect(target.subarray(500).every((byte) => byte === 0)).toBe(true)
  })
})
