import { ByteReader } from './byte-reader.js'
import { CorruptStreamError } from './errors.js'
import { decodeLz4Block } from './lz4-block.js'
import {
  isSkippableFrame,
  LZ4_MAGIC,
  LZ4_UNCOMPRESSED_FLAG,
  LZ4_WINDOW,
  type Lz4FrameDescriptor,
  lz4DescriptorLength,
  parseLz4Descriptor,
} from './lz4-frame.js'
import { Xxh32, xxh32 } from './xxh32.js'

/**
 * The content of an LZ4 file, block by block: one or more frames, by us, by `lz4` or by
 * pg_receivewal (linked blocks). All checksums that are there are checked.
 *
 * A file that just ends, in a header, in a block or without its end mark, gives what whole blocks
 * it has and no error: so does pg_receivewal, which looks only at the total.
 *
 * @throws CorruptStreamError at the first fault, after all that could be read before it
 */
export async function* decompressLz4(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const reader = new ByteReader(chunks)
  try {
    for (;;) {
      const start = await reader.read(4)
      if (start.length < 4) return
      const magic = start.readUInt32LE()
      if (isSkippableFrame(magic)) {
        if (!(await skipFrame(reader))) return
      } else if (magic === LZ4_MAGIC) {
        if (!(yield* readFrame(reader))) return
      } else throw new CorruptStreamError('lz4', 'ERROR_frameType_unknown')
    }
  } finally {
    await reader.close()
  }
}

async function skipFrame(reader: ByteReader): Promise<boolean> {
  const size = await reader.read(4)
  if (size.length < 4) return false
  let left = size.readUInt32LE()
  while (left > 0) {
    const skipped = await reader.read(Math.min(left, 65_536))
    if (skipped.length === 0) return false
    left -= skipped.length
  }
  return true
}

async function readDescriptor(reader: ByteReader): Promise<Lz4FrameDescriptor | null> {
  const flags = await reader.read(1)
  if (flags.length === 0) return null
  const length = lz4DescriptorLength(flags[0]!)
  const rest = await reader.read(length - 1)
  return rest.length < length - 1 ? null : parseLz4Descriptor(Buffer.concat([flags, rest]))
}

/** Returns false when the file ended within the frame. */
async function* readFrame(reader: ByteReader): AsyncGenerator<Buffer, boolean> {
  const frame = await readDescriptor(reader)
  if (frame === null) return false
  const contentHash = frame.contentChecksum ? new Xxh32() : null
  let contentSize = 0n
  let window: Buffer = Buffer.alloc(0)

  for (;;) {
    const word = await reader.read(4)
    if (word.length < 4) return false
    const size = word.readUInt32LE()
    if (size === 0) break
    const packedSize = size & ~LZ4_UNCOMPRESSED_FLAG
    if (packedSize > frame.maxBlockSize) throw new CorruptStreamError('lz4', 'ERROR_maxBlockSize_invalid')
    const packed = await reader.read(packedSize)
    if (packed.length < packedSize) return false
    if (frame.blockChecksums) {
      const checksum = await reader.read(4)
      if (checksum.length < 4) return false
      if (xxh32(packed) !== checksum.readUInt32LE())
        throw new CorruptStreamError('lz4', 'ERROR_blockChecksum_invalid')
    }
    const stored = (size & LZ4_UNCOMPRESSED_FLAG) !== 0
    const block = stored ? Buffer.from(packed) : decodeBehind(window, packed, frame.maxBlockSize)
    if (frame.linkedBlocks) window = Buffer.concat([window, block]).subarray(-LZ4_WINDOW)
    contentHash?.update(block)
    contentSize += BigInt(block.length)
    yield block
  }
  if (frame.contentSize !== undefined && frame.contentSize !== contentSize)
    throw new CorruptStreamError('lz4', 'ERROR_frameSize_wrong')
  if (contentHash !== null) {
    const checksum = await reader.read(4)
    if (checksum.length < 4) return false
    if (contentHash.digest() !== checksum.readUInt32LE())
      throw new CorruptStreamError('lz4', 'ERROR_contentChecksum_invalid')
  }
  return true
}

/** Decodes a block into fresh memory, with the bytes it may refer to in front. */
function decodeBehind(window: Buffer, packed: Buffer, maxBlockSize: number): Buffer {
  const target = Buffer.allocUnsafe(window.length + maxBlockSize)
  window.copy(target)
  const end = decodeLz4Block(packed, target, window.length)
  if (end < 0) throw new CorruptStreamError('lz4', 'ERROR_decompressionFailed')
  return target.subarray(window.length, end)
}
