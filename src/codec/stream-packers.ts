import * as zlib from 'node:zlib'
import { lz4Blocks } from './lz4-blocks.js'
import { LZ4_END_MARK, LZ4_FRAME_HEADER } from './lz4-frame.js'
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

/**
 * An LZ4 frame of independent blocks, one after the other on this thread. The library's own threads each keep
 * up to 32 MB for results that another thread gives back, which is what makes it dear in a process that archives.
 */
class Lz4Packer implements StreamPacker {
  readonly #output: PackedOutput

  constructor(output: PackedOutput) {
    this.#output = output
    output.add(LZ4_FRAME_HEADER)
  }

  async write(piece: Buffer): Promise<void> {
    for (const [size, bytes] of lz4Blocks(piece)) {
      this.#output.add(size)
      this.#output.add(bytes)
    }
  }

  async end(): Promise<void> {
    this.#output.add(LZ4_END_MARK)
  }

  destroy(): void {}
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
