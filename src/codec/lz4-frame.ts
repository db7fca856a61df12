import { CorruptStreamError } from './errors.js'
import { xxh32 } from './xxh32.js'

/**
 * The parts of an LZ4 frame around its blocks.
 * Specification: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 */
export const LZ4_MAGIC = 0x184d2204
const SKIPPABLE_MAGIC = 0x184d2a50

/**
 * Raw bytes in each full block we write; the format allows any size up to the one in the header. With
 * 256 kB it is a tenth faster and the process 40 MB larger.
 */
export const LZ4_BLOCK_SIZE = 128 * 1024

/**
 * The header of every frame we write: version 1, independent blocks (so that several threads can
 * compress at once), blocks of at most 256 kB, no sizes, no checksums. The last byte is the header's
 * own checksum, the same for ever as the two before it are.
 */
export const LZ4_FRAME_HEADER = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x50, 0xfb])

/** Ends a frame: a block of size 0. */
export const LZ4_END_MARK = Buffer.alloc(4)

/** In a block's size word: the block is stored as it is. */
export const LZ4_UNCOMPRESSED_FLAG = 0x8000_0000

/** How far back a linked block can refer. */
export const LZ4_WINDOW = 64 * 1024

const BLOCK_SIZES: Readonly<Record<number, number>> = {
  4: 64 * 1024,
  5: 256 * 1024,
  6: 1024 * 1024,
  7: 4 * 1024 * 1024,
}

export interface Lz4FrameDescriptor {
  readonly linkedBlocks: boolean
  readonly blockChecksums: boolean
  readonly contentChecksum: boolean
  readonly contentSize: bigint | undefined
  readonly maxBlockSize: number
}

export function isSkippableFrame(magic: number): boolean {
  return (magic & 0xffff_fff0) >>> 0 === SKIPPABLE_MAGIC
}

/**
 * How many bytes a whole file can unpack to at the most, judged by its blocks without unpacking them: 4 GB of zeros are
 * 16 MB of LZ4. What makes no sense ends the count; the decoder will say so.
 */
export function lz4ContentBound(packed: Buffer): number {
  let bound = 0
  let at = 0
  while (at + 8 <= packed.length) {
    const magic = packed.readUInt32LE(at)
    if (isSkippableFrame(magic)) {
      at += 8 + packed.readUInt32LE(at + 4)
      continue
    }
    const flags = packed[at + 4]!
    const maxBlockSize = BLOCK_SIZES[(packed[at + 5]! >>> 4) & 7]
    if (magic !== LZ4_MAGIC || maxBlockSize === undefined) break
    at += 4 + lz4DescriptorLength(flags)
    for (; at + 4 <= packed.length; ) {
      const word = packed.readUInt32LE(at)
      at += 4
      if (word === 0) break
      const packedSize = word & ~LZ4_UNCOMPRESSED_FLAG
      bound += word >>> 31 === 1 ? packedSize : Math.min(maxBlockSize, 255 * packedSize)
      at += packedSize + (flags & 0x10 ? 4 : 0)
    }
    if ((flags & 0x04) !== 0) at += 4
  }
  return bound
}

/** How many bytes the descriptor has, its checksum included, judged by its first byte. */
export function lz4DescriptorLength(flags: number): number {
  return 3 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0)
}

/**
 * Reads a frame descriptor: what follows the magic number.
 *
 * @throws CorruptStreamError with the name liblz4 gives to the fault
 */
export function parseLz4Descriptor(bytes: Buffer): Lz4FrameDescriptor {
  const flags = bytes[0]!
  const sizes = bytes[1]!
  if (flags >>> 6 !== 1) throw new CorruptStreamError('lz4', 'ERROR_headerVersion_wrong')
  if ((flags & 0x02) !== 0 || (sizes & 0x8f) !== 0)
    throw new CorruptStreamError('lz4', 'ERROR_reservedFlag_set')
  const maxBlockSize = BLOCK_SIZES[sizes >>> 4]
  if (maxBlockSize === undefined) throw new CorruptStreamError('lz4', 'ERROR_maxBlockSize_invalid')
  const checksum = (xxh32(bytes.subarray(0, -1)) >>> 8) & 0xff
  if (checksum !== bytes[bytes.length - 1])
    throw new CorruptStreamError('lz4', 'ERROR_headerChecksum_invalid')
  return {
    linkedBlocks: (flags & 0x20) === 0,
    blockChecksums: (flags & 0x10) !== 0,
    contentChecksum: (flags & 0x04) !== 0,
    contentSize: (flags & 0x08) !== 0 ? bytes.readBigUInt64LE(2) : undefined,
    maxBlockSize,
  }
}
