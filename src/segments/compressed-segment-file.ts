import { constants } from 'node:fs'
import { type OpenFile, writeFully } from '../base/index.js'
import { type CompressionSpec, type Compressor, createCompressor, fileExtension } from '../codec/index.js'
import { closeError, syncError, WalFileError, writeError } from './errors.js'
import type { SegmentFile, SegmentFileContext } from './segment-file.js'

/** A segment as one compressed stream, always from its first byte on into an empty file. */
export class CompressedSegmentFile implements SegmentFile {
  readonly #file: OpenFile
  readonly #compressor: Compressor
  readonly #segmentName: string
  readonly #partialName: string
  readonly #durable: boolean
  #size = 0
  #unsynced = true
  #ended = false

  constructor(
    file: OpenFile,
    segmentName: string,
    compression: CompressionSpec,
    context: SegmentFileContext,
  ) {
    this.#file = file
    this.#segmentName = segmentName
    this.#partialName = `${segmentName}${fileExtension(compression.algorithm)}.partial`
    this.#durable = context.durable
    this.#compressor = createCompressor(compression, (chunks) => this.#write(chunks))
  }

  async append(buffers: readonly Buffer[]): Promise<void> {
    this.#unsynced = true
    await this.#compress(() => this.#compressor.write(buffers))
  }

  get synced(): boolean {
    return !this.#unsynced
  }

  async sync(): Promise<void> {
    if (!this.#unsynced) return
    if (!this.#ended) await this.#compress(() => this.#compressor.flush())
    if (this.#durable) {
      try {
        await this.#file.datasync()
      } catch (error) {
        throw syncError(this.#partialName, error)
      }
    }
    this.#unsynced = false
  }

  async end(): Promise<void> {
    this.#unsynced = true
    await this.#compress(() => this.#compressor.end())
    this.#ended = true
  }

  async close(): Promise<void> {
    this.#compressor.destroy()
    try {
      await this.#file.close()
    } catch (error) {
      throw closeError(this.#segmentName, error)
    }
  }

  async #write(chunks: readonly Buffer[]): Promise<void> {
    const byteCount = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    try {
      await writeFully(this.#file, chunks, this.#size)
    } catch (error) {
      throw writeError(this.#segmentName, byteCount, error)
    }
    this.#size += byteCount
  }

  async #compress(step: () => Promise<void>): Promise<void> {
    try {
      await step()
    } catch (error) {
      throw error instanceof WalFileError ? error : writeError(this.#segmentName, 0, error)
    }
  }
}

/** The content of an open file from its beginning, for reading what an older partial holds. */
export async function* readChunks(file: OpenFile): AsyncGenerator<Buffer> {
  let position = 0
  for (;;) {
    const buffer = Buffer.allocUnsafe(64 * 1024)
    const count = await file.read(buffer, position)
    if (count === 0) return
    position += count
    yield buffer.subarray(0, count)
  }
}

/** Creates an empty file for a compressed segment. @throws the operating system's error */
export async function createCompressedFile(
  path: string,
  flags: number,
  context: SegmentFileContext,
): Promise<OpenFile> {
  const file = await context.files.open(
    path,
    constants.O_WRONLY | constants.O_CREAT | flags,
    context.fileMode,
  )
  if ((context.fileMode & 0o077) !== 0) await file.chmod(context.fileMode)
  return file
}
