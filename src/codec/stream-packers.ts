import { setImmediate } from 'node:timers/promises'
import * as zlib from 'node:zlib'
import { compressSync } from 'lz4-napi'
import { LZ4_BLOCK_SIZE, LZ4_END_MARK, LZ4_FRAME_HEADER, LZ4_UNCOMPRESSED_FLAG } from './lz4-frame.js'
import type { PackedOutput } from './packed-output.js'
import { type StoreCompression, zstd } from './store-compression.js'

/** Packs one object, piece by piece. One call at a time. */
export interface StreamPacker {
  /** @param piece free again when the promise settles */
  write(piece: Buffer): Promise<void>
  end(): Promise<void>
  /** Gives it up. */
  destroy(): void
}

export function streamPacker({ algorithm, level }: StoreCompression, output: PackedOutput): StreamPacker {
  switch (algorithm) {
    case 'none':
      return { write: async (piece) => output.add(piece), end: async () => {}, destroy: () => {} }
    case 'lz4':
      return new Lz4Packer(output)
    case 'gzip':
      return new ZlibPacker(
        zlib.createGzip({ level: level ?? zlib.constants.Z_DEFAULT_COMPRESSION, chunkSize: ZLIB_CHUNK_SIZE }),
        output,
      )
    case 'zstd': {
      const library = zstd()
      const params = level === undefined ? {} : { [library.constants.ZSTD_c_compressionLevel]: level }
      return new ZlibPacker(library.createZstdCompress({ params, chunkSize: ZLIB_CHUNK_SIZE }), output)
    }
  }
}

/** The library puts the raw length in front of the block it compressed. */
const LENGTH_PREFIX = 4

/**
 * How much memory that is never touched is asked for with each block. It costs nothing but makes the garbage
 * collector come in time for the results of the library, of which it sees too little: without this hundreds of
 * megabytes pile up.
 */
const UNTOUCHED_SIZE = 2 * LZ4_BLOCK_SIZE

/**
 * An LZ4 frame of independent blocks, one after the other on this thread. The library's own threads each keep
 * up to 32 MB for results that another thread gives back, which is what makes it dear in a process that archives.
 */
class Lz4Packer implements StreamPacker {
  readonly #output: PackedOutput
  readonly #size = Buffer.alloc(4)

  constructor(output: PackedOutput) {
    this.#output = output
    output.add(LZ4_FRAME_HEADER)
  }

  async write(piece: Buffer): Promise<void> {
    for (let from = 0; from < piece.length; from += LZ4_BLOCK_SIZE) {
      this.#addBlock(piece.subarray(from, from + LZ4_BLOCK_SIZE))
      // What the collector has found is given back in a turn of the loop; and others have their turn.
      await setImmediate()
    }
  }

  async end(): Promise<void> {
    this.#output.add(LZ4_END_MARK)
  }

  destroy(): void {}

  #addBlock(raw: Buffer): void {
    if (raw.length === LZ4_BLOCK_SIZE) Buffer.allocUnsafeSlow(UNTOUCHED_SIZE)
    const packed = compressSync(raw).subarray(LENGTH_PREFIX)
    const isSmaller = packed.length < raw.length
    this.#size.writeUInt32LE(isSmaller ? packed.length : (raw.length | LZ4_UNCOMPRESSED_FLAG) >>> 0)
    this.#output.add(this.#size)
    this.#output.add(isSmaller ? packed : raw)
  }
}

const ZLIB_CHUNK_SIZE = 128 * 1024

/** A stream of `node:zlib`, which works on the thread pool. */
class ZlibPacker implements StreamPacker {
  readonly #stream: zlib.Gzip
  #failure: unknown = null

  constructor(stream: zlib.Gzip, output: PackedOutput) {
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => {
      try {
        output.add(chunk)
      } catch (error) {
        this.#failure ??= error
      }
    })
    stream.on('error', (error) => {
      this.#failure ??= error
    })
  }

  write(piece: Buffer): Promise<void> {
    return this.#step((done) => this.#stream.write(piece, done))
  }

  end(): Promise<void> {
    return this.#step((done) => {
      this.#stream.once('end', () => done(null))
      this.#stream.once('error', done)
      this.#stream.end()
    })
  }

  destroy(): void {
    this.#stream.destroy()
  }

  async #step(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      start((error) => (error ? reject(error) : resolve()))
    })
    if (this.#failure !== null) throw this.#failure
  }
}
