import { constants, createGunzip } from 'node:zlib'
import type { CompressionAlgorithm } from './compression-spec.js'
import { CorruptStreamError } from './errors.js'
import { decompressLz4 } from './lz4-decompress.js'

/** A compressed file that can be read again from its beginning. */
export type ByteSource = () => AsyncIterable<Buffer>

/**
 * The content of a compressed file. What a torn file still holds is delivered, and only data that
 * cannot be read is an error.
 *
 * @throws CorruptStreamError
 */
export function decompress(
  algorithm: CompressionAlgorithm,
  chunks: AsyncIterable<Buffer>,
): AsyncIterable<Buffer> {
  switch (algorithm) {
    case 'none':
      return chunks
    case 'gzip':
      return decompressGzip(chunks)
    case 'lz4':
      return decompressLz4(chunks)
  }
}

async function* decompressGzip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  // With this flush a stream that just ends gives all it has, instead of an error in place of it.
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH })
  let produced: Buffer[] = []
  gunzip.on('data', (chunk: Buffer) => produced.push(chunk))
  const failed = new Promise<never>((_, reject) => {
    gunzip.on('error', (error) => reject(new CorruptStreamError('gzip', error.message, error)))
  })
  failed.catch(() => {})
  // Zeros behind the last member, as a crash leaves them, end the stream; what is written then is never answered.
  let isOver = false
  const over = new Promise<void>((resolve) => {
    gunzip.once('end', () => {
      isOver = true
      resolve()
    })
  })
  const take = () => {
    while (gunzip.read() !== null);
    const taken = produced
    produced = []
    return taken
  }
  try {
    for await (const chunk of chunks) {
      const written = new Promise<void>((resolve) => gunzip.write(chunk, () => resolve()))
      await Promise.race([failed, over, written])
      yield* take()
      if (isOver) return
    }
    gunzip.end()
    await Promise.race([failed, over])
    yield* take()
  } finally {
    gunzip.destroy()
  }
}

/** Bytes in the content of a compressed file; the whole of it is decompressed. */
export async function contentSize(
  algorithm: CompressionAlgorithm,
  chunks: AsyncIterable<Buffer>,
): Promise<number> {
  let size = 0
  for await (const block of decompress(algorithm, chunks)) size += block.length
  return size
}

/** The first bytes of the content, fewer when it is shorter or cannot be read further. */
export async function firstContentBytes(
  algorithm: CompressionAlgorithm,
  chunks: AsyncIterable<Buffer>,
  byteCount: number,
): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  try {
    for await (const block of decompress(algorithm, chunks)) {
      parts.push(block)
      length += block.length
      if (length >= byteCount) break
    }
  } catch (error) {
    if (!(error instanceof CorruptStreamError)) throw error
  }
  return Buffer.concat(parts).subarray(0, byteCount)
}

/** What a file gives back that may be torn or end in garbage, as after a crash. */
export interface RecoverableContent {
  /** Bytes of content. */
  readonly size: number
  /** The content itself, read once more. */
  read(): AsyncGenerator<Buffer>
}

/**
 * Finds out how much content a file gives back. Exact to the byte: on it rests whether a newer file holds as much as
 * this one. That it can be decoded does not say that it is right: in the middle of a stream neither gzip nor lz4 has a
 * checksum, and garbage of a torn write may decode to something.
 */
export async function recoverable(
  algorithm: CompressionAlgorithm,
  source: ByteSource,
): Promise<RecoverableContent> {
  let chunks = source
  let found = await sizeUpToFault(algorithm, chunks())
  // zlib does not hand out what it decoded from the piece of input in which it met the fault, so
  // the pieces must become small where the fault is.
  for (const pieceSize of algorithm === 'gzip' ? [512, 1] : []) {
    if (!found.faulty) break
    const from = found.consumed
    chunks = () => cutFrom(source(), from, pieceSize)
    found = await sizeUpToFault(algorithm, chunks())
  }
  return { size: found.size, read: () => upToFault(algorithm, chunks()) }
}

async function* upToFault(
  algorithm: CompressionAlgorithm,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  try {
    yield* decompress(algorithm, chunks)
  } catch (error) {
    if (!(error instanceof CorruptStreamError)) throw error
  }
}

async function sizeUpToFault(
  algorithm: CompressionAlgorithm,
  chunks: AsyncIterable<Buffer>,
): Promise<{ size: number; consumed: number; faulty: boolean }> {
  let consumed = 0
  let size = 0
  let last = 0
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      consumed += last
      last = chunk.length
      yield chunk
    }
  }
  try {
    for await (const block of decompress(algorithm, counted())) size += block.length
    return { size, consumed: consumed + last, faulty: false }
  } catch (error) {
    if (!(error instanceof CorruptStreamError)) throw error
    return { size, consumed, faulty: true }
  }
}

/** The same bytes, in pieces of at most `pieceSize` from offset `from` on. */
async function* cutFrom(
  chunks: AsyncIterable<Buffer>,
  from: number,
  pieceSize: number,
): AsyncGenerator<Buffer> {
  let at = 0
  for await (const chunk of chunks) {
    const whole = Math.min(chunk.length, Math.max(0, from - at))
    if (whole > 0) yield chunk.subarray(0, whole)
    for (let i = whole; i < chunk.length; i += pieceSize) yield chunk.subarray(i, i + pieceSize)
    at += chunk.length
  }
}
