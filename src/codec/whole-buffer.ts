import { constants, gunzip, gzip } from 'node:zlib'
import { decompressFrame } from 'lz4-napi'
import { CorruptStreamError } from './errors.js'
import { Lz4Compressor } from './lz4-compress.js'
import { LZ4_BLOCK_SIZE } from './lz4-frame.js'
import { type StoreAlgorithm, type StoreCompression, zstd } from './store-compression.js'

/**
 * Compresses a whole object on the thread pool. The result is a file that the stock tool of the
 * format opens; for `none` it is the given buffer itself.
 *
 * @param raw not changed; must stay as it is until the promise settled
 * @param memory where the result may be put: of `compressedBound` bytes at least
 */
export async function compressBuffer(
  compression: StoreCompression,
  raw: Buffer,
  memory?: Buffer,
): Promise<Buffer> {
  const { algorithm, level } = compression
  switch (algorithm) {
    case 'none':
      return raw
    case 'gzip':
      return callback((done) => gzip(raw, { level: level ?? constants.Z_DEFAULT_COMPRESSION }, done))
    case 'lz4':
      return compressLz4(raw, memory ?? Buffer.allocUnsafeSlow(compressedBound(raw.length)))
    case 'zstd': {
      const library = zstd()
      const params = level === undefined ? {} : { [library.constants.ZSTD_c_compressionLevel]: level }
      return callback((done) => library.zstdCompress(raw, { params }, done))
    }
  }
}

/** Room a frame needs around its blocks, at the most. */
const FRAME_OVERHEAD = 64

/** The most bytes that lz4 can make of content of a length: it stores what it cannot compress. */
export function compressedBound(rawLength: number): number {
  return rawLength + Math.ceil(rawLength / LZ4_BLOCK_SIZE) * 4 + FRAME_OVERHEAD
}

/**
 * Memory for the worst case is only reserved: pages that stay untouched cost nothing, and a list of
 * pieces to be joined would need the space twice.
 */
async function compressLz4(raw: Buffer, target: Buffer): Promise<Buffer> {
  let length = 0
  const compressor = new Lz4Compressor(async (chunks) => {
    for (const chunk of chunks) {
      if (chunk.copy(target, length) < chunk.length) throw new RangeError('lz4 frame larger than its bound')
      length += chunk.length
    }
  })
  try {
    await compressor.write([raw])
    await compressor.end()
  } finally {
    compressor.destroy()
  }
  return target.subarray(0, length)
}

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
  if (algorithm === 'none') return packed
  const library = algorithm === 'zstd' ? zstd() : null
  const options = { maxOutputLength: Math.max(1, maxLength) }
  try {
    if (library !== null) return await callback((done) => library.zstdDecompress(packed, options, done))
    if (algorithm === 'gzip') return await callback((done) => gunzip(packed, options, done))
    return await decompressFrame(packed)
  } catch (error) {
    throw new CorruptStreamError(algorithm, error instanceof Error ? error.message : String(error), error)
  }
}

function callback(start: (done: (error: Error | null, result: Buffer) => void) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    start((error, result) => (error === null ? resolve(result) : reject(error)))
  })
}
