import { gunzip } from 'node:zlib'
import { decompressFrame } from 'lz4-napi'
import { CorruptStreamError } from './errors.js'
import { decompressLz4 } from './lz4-decompress.js'
import { lz4ContentBound } from './lz4-frame.js'
import { PackedOutput, packedBound } from './packed-output.js'
import { type StoreAlgorithm, type StoreCompression, zstd } from './store-compression.js'
import { streamPacker } from './stream-packers.js'

/**
 * Compresses a whole object, lz4 on this thread: for small ones. The result is a file that the stock tool of the
 * format opens; for `none` it is the given buffer itself.
 *
 * @param raw not changed; must stay as it is until the promise settled
 */
export async function compressBuffer(compression: StoreCompression, raw: Buffer): Promise<Buffer> {
  if (compression.algorithm === 'none') return raw
  const memory = Buffer.allocUnsafeSlow(packedBound(raw.length))
  const output = new PackedOutput(memory)
  const packer = streamPacker(compression, output)
  try {
    await packer.write(raw)
    await packer.end()
  } finally {
    packer.destroy()
  }
  return memory.subarray(0, output.length)
}

/** Blocks may hold half of what they could, and the last one less: what is allowed beside that, in bytes. */
const LZ4_BOUND_SLACK = 4 * 1024 * 1024

/**
 * The content of a whole compressed object, unpacked on the thread pool.
 *
 * @param maxLength bytes of content beyond which the object is taken for damaged
 * @throws CorruptStreamError when the object is damaged, cut short or holds more than `maxLength`
 * @throws WalshipError `ZSTD_UNAVAILABLE`
 */
export async function decompressBuffer(
  algorithm: StoreAlgorithm,
  packed: Buffer,
  maxLength: number,
): Promise<Buffer> {
  if (algorithm === 'none') return limited(algorithm, packed, maxLength)
  if (algorithm === 'lz4' && lz4ContentBound(packed) > 2 * maxLength + LZ4_BOUND_SLACK)
    return unpackBlockByBlock(packed, maxLength)
  const library = algorithm === 'zstd' ? zstd() : null
  const options = { maxOutputLength: Math.max(1, maxLength) }
  try {
    if (library !== null) return await callback((done) => library.zstdDecompress(packed, options, done))
    if (algorithm === 'gzip') return await callback((done) => gunzip(packed, options, done))
    return limited(algorithm, await decompressFrame(packed), maxLength)
  } catch (error) {
    if (error instanceof CorruptStreamError) throw error
    throw new CorruptStreamError(algorithm, error instanceof Error ? error.message : String(error), error)
  }
}

/** Slower, and never more in memory than was asked for: for a bomb, or a file of many small blocks. */
async function unpackBlockByBlock(packed: Buffer, maxLength: number): Promise<Buffer> {
  async function* whole(): AsyncGenerator<Buffer> {
    yield packed
  }
  const blocks: Buffer[] = []
  let length = 0
  for await (const block of decompressLz4(whole())) {
    blocks.push(block)
    length += block.length
    if (length > maxLength) throw tooLong('lz4', maxLength)
  }
  return Buffer.concat(blocks, length)
}

function limited(algorithm: StoreAlgorithm, content: Buffer, maxLength: number): Buffer {
  if (content.length > maxLength) throw tooLong(algorithm, maxLength)
  return content
}

function tooLong(algorithm: StoreAlgorithm, maxLength: number): CorruptStreamError {
  return new CorruptStreamError(algorithm, `it holds more than ${maxLength} bytes`)
}

function callback(start: (done: (error: Error | null, result: Buffer) => void) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    start((error, result) => (error === null ? resolve(result) : reject(error)))
  })
}
