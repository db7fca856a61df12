import { compressSync } from 'lz4-napi'
import { LZ4_BLOCK_SIZE, LZ4_UNCOMPRESSED_FLAG } from './lz4-frame.js'

/** The library puts the raw length in front of the block it compressed. */
const LENGTH_PREFIX = 4

/** A block of a frame: its size word, and its bytes. */
export type FramedBlock = readonly [size: Buffer, bytes: Buffer]

/**
 * Compresses one block, on this thread.
 *
 * @param raw of at most `LZ4_BLOCK_SIZE` bytes; the result may refer to it
 */
export function lz4Block(raw: Buffer): FramedBlock {
  const packed = compressSync(raw).subarray(LENGTH_PREFIX)
  const size = Buffer.allocUnsafe(4)
  if (packed.length < raw.length) {
    size.writeUInt32LE(packed.length)
    return [size, packed]
  }
  size.writeUInt32LE((raw.length | LZ4_UNCOMPRESSED_FLAG) >>> 0)
  return [size, raw]
}

/** The content as blocks, all but the last one of full size. */
export function* lz4Blocks(content: Buffer): Generator<FramedBlock> {
  for (let from = 0; from < content.length; from += LZ4_BLOCK_SIZE)
    yield lz4Block(content.subarray(from, from + LZ4_BLOCK_SIZE))
}
