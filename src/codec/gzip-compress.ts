import { constants, createGzip, type Gzip } from 'node:zlib'
import type { Compressor, CompressorOutput } from './compressor-contract.js'

/** Room for output per trip to the thread pool. */
const CHUNK_SIZE = 128 * 1024

/** A gzip stream of one member, without name or time in its header, as pg_receivewal writes it. */
export class GzipCompressor implements Compressor {
  readonly #gzip: Gzip
  readonly #output: CompressorOutput
  #pending: Buffer[] = []
  #error: Error | null = null

  /** @param level 1 to 9; undefined for zlib's default */
  constructor(level: number | undefined, output: CompressorOutput) {
    this.#output = output
    this.#gzip = createGzip({ level: level ?? constants.Z_DEFAULT_COMPRESSION, chunkSize: CHUNK_SIZE })
    this.#gzip.on('data', (chunk: Buffer) => this.#pending.push(chunk))
    this.#gzip.on('error', (error) => {
      this.#error ??= error
    })
  }

  async write(buffers: readonly Buffer[]): Promise<void> {
    for (const buffer of buffers) {
      if (buffer.length === 0) continue
      await this.#step((done) => this.#gzip.write(buffer, done))
    }
  }

  flush(): Promise<void> {
    return this.#step((done) => this.#gzip.flush(constants.Z_SYNC_FLUSH, () => done(this.#error)))
  }

  end(): Promise<void> {
    return this.#step((done) => {
      this.#gzip.once('end', () => done(null))
      this.#gzip.once('error', done)
      this.#gzip.end()
    })
  }

  destroy(): void {
    this.#gzip.destroy()
  }

  async #step(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    if (this.#error !== null) throw this.#error
    await new Promise<void>((resolve, reject) => {
      start((error) => (error ? reject(error) : resolve()))
    })
    // The stream may still hold chunks for its next turn; reading emits them as 'data' now.
    while (this.#gzip.read() !== null);
    if (this.#pending.length === 0) return
    const chunks = this.#pending
    this.#pending = []
    try {
      await this.#output(chunks)
    } catch (error) {
      this.#error = error as Error
      throw error
    }
  }
}
