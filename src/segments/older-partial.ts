import { constants } from 'node:fs'
import { errnoOf, type OpenFile } from '../base/index.js'
import { type CompressionAlgorithm, type RecoverableContent, recoverable } from '../codec/index.js'
import { readChunks } from './compressed-segment-file.js'
import { openError, syncError } from './errors.js'
import type { SegmentFileContext } from './segment-file.js'

/**
 * A compressed partial of an earlier run. What it holds may have been acknowledged, so the file that is written
 * anew for the same segment takes its name only when it holds as much.
 *
 * Until then what comes is counted as held by this one, and so it is compared: after a power cut the end of the file
 * may be anything, and garbage that happens to decode would stand for bytes that are nowhere.
 */
export class OlderPartial {
  readonly #name: string
  readonly #file: OpenFile
  readonly #content: AsyncGenerator<Buffer>
  #size: number
  /** Content that was decoded and not compared yet. */
  #ahead: Buffer = Buffer.alloc(0)
  #compared = 0

  /**
   * @returns null when there is none
   * @throws WalFileError `WAL_FILE_OPEN_FAILED`, `WAL_FILE_SYNC_FAILED`
   */
  static async open(
    partialName: string,
    algorithm: CompressionAlgorithm,
    context: SegmentFileContext,
  ): Promise<OlderPartial | null> {
    let file: OpenFile
    try {
      file = await context.files.open(`${context.directory}/${partialName}`, constants.O_RDONLY)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      throw openError(partialName, true, error)
    }
    try {
      const content = await recoverable(algorithm, () => readChunks(file)).catch((error) => {
        throw openError(partialName, true, error)
      })
      // Durable, so that it can be counted on.
      if (context.durable)
        await file.sync().catch((error) => {
          throw syncError(partialName, error)
        })
      return new OlderPartial(partialName, file, content, context.segmentSize)
    } catch (error) {
      await file.close().catch(() => {})
      throw error
    }
  }

  private constructor(name: string, file: OpenFile, content: RecoverableContent, segmentSize: number) {
    this.#name = name
    this.#file = file
    this.#content = content.read()
    this.#size = Math.min(content.size, segmentSize)
  }

  /** Bytes of content; fewer once some turned out to be garbage. */
  get size(): number {
    return this.#size
  }

  /**
   * Compares the bytes that follow those of the calls before; `size` ends where they differ.
   *
   * @throws WalFileError `WAL_FILE_OPEN_FAILED` when the file cannot be read: that says nothing about what it holds
   */
  async compare(buffers: readonly Buffer[]): Promise<void> {
    for (let bytes of buffers) {
      while (bytes.length > 0 && this.#compared < this.#size) {
        if (this.#ahead.length === 0 && !(await this.#readOn())) return
        const length = Math.min(bytes.length, this.#ahead.length)
        if (!bytes.subarray(0, length).equals(this.#ahead.subarray(0, length))) {
          this.#size = this.#compared
          return
        }
        this.#compared += length
        this.#ahead = this.#ahead.subarray(length)
        bytes = bytes.subarray(length)
      }
    }
  }

  async close(): Promise<void> {
    await this.#content.return(undefined)
    await this.#file.close()
  }

  /** False at the end. */
  async #readOn(): Promise<boolean> {
    const next = await this.#content.next().catch((error) => {
      throw openError(this.#name, true, error)
    })
    if (next.done) this.#size = this.#compared
    else this.#ahead = next.value
    return !next.done
  }
}
