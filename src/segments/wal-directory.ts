import { constants } from 'node:fs'
import { errnoOf, type OpenFile } from '../base/index.js'
import type { CompressionAlgorithm } from '../codec/index.js'
import { directoryError, renameError, syncError, WalFileError } from './errors.js'
import { finalFileName, isHiddenFileName, partialFileName } from './file-name.js'
import type { OpenSegment } from './open-segment.js'
import type { SegmentFileContext } from './segment-file.js'

const ALGORITHMS: readonly CompressionAlgorithm[] = ['none', 'gzip', 'lz4']

/**
 * The names in the directory and how they change while WAL is written. A change is durable only after
 * an fsync of the directory, which is held open for that.
 */
export class WalDirectory {
  readonly #context: SegmentFileContext
  readonly #algorithm: CompressionAlgorithm
  readonly #handle: OpenFile
  /** Partials that were there at the beginning; those of a segment we complete become useless. */
  readonly #olderPartials: Set<string>

  /**
   * Opens a directory and removes left-over hidden files: none of their bytes was acknowledged. The names in it are
   * then durable: where streaming starts was concluded from them, and the server hears it as flushed, but a killed
   * receiver may have given them without living to sync them.
   *
   * @throws WalFileError `DIRECTORY_OPEN_FAILED`, `WAL_FILE_SYNC_FAILED`
   */
  static async open(context: SegmentFileContext, algorithm: CompressionAlgorithm): Promise<WalDirectory> {
    const { files, directory } = context
    let handle: OpenFile | undefined
    try {
      handle = await files.open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
      const names = await files.list(directory)
      for (const name of names.filter(isHiddenFileName)) await removeIfThere(context, name)
      const partials = names.filter((name) => name.endsWith('.partial'))
      const opened = new WalDirectory(context, algorithm, handle, new Set(partials))
      await opened.#sync()
      return opened
    } catch (error) {
      await handle?.close().catch(() => {})
      throw error instanceof WalFileError ? error : directoryError(directory, error)
    }
  }

  private constructor(
    context: SegmentFileContext,
    algorithm: CompressionAlgorithm,
    handle: OpenFile,
    olderPartials: Set<string>,
  ) {
    this.#context = context
    this.#algorithm = algorithm
    this.#handle = handle
    this.#olderPartials = olderPartials
  }

  finalNameOf(segment: OpenSegment): string {
    return finalFileName(segment.segmentName, this.#algorithm)
  }

  /** Gives an open segment its `.partial` name; an older file of that name is replaced. */
  async show(segment: OpenSegment): Promise<void> {
    await this.#rename(segment.visibleName, segment.partialName)
    segment.visibleName = segment.partialName
    segment.hidden = false
    segment.nameDurable = false
  }

  /**
   * Gives a complete, synced and closed segment its final name, durably; a file of that name is
   * replaced. Then, not before, the partials that are now useless are removed: what an earlier run
   * with another compression left, or a file this one never replaced.
   */
  async finalize(segment: OpenSegment): Promise<void> {
    await this.#rename(segment.visibleName, this.finalNameOf(segment))
    await this.#sync()
    for (const algorithm of ALGORITHMS) {
      const name = partialFileName(segment.segmentName, algorithm)
      if (!this.#olderPartials.delete(name)) continue
      // One that cannot be removed does no harm: the complete file is preferred everywhere.
      await removeIfThere(this.#context, name).catch(() => {})
    }
  }

  /** Makes sure that a segment's partial name survives a crash. */
  async syncNameOf(segment: OpenSegment): Promise<void> {
    if (segment.nameDurable) return
    await this.#sync()
    segment.nameDurable = true
  }

  /** Removes the file of a segment that may not be shown. */
  async discard(segment: OpenSegment): Promise<void> {
    await removeIfThere(this.#context, segment.visibleName).catch(() => {})
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  async #rename(from: string, to: string): Promise<void> {
    const { files, directory } = this.#context
    try {
      await files.rename(`${directory}/${from}`, `${directory}/${to}`)
    } catch (error) {
      throw renameError(`${directory}/${from}`, `${directory}/${to}`, error)
    }
  }

  async #sync(): Promise<void> {
    if (!this.#context.durable) return
    try {
      await this.#handle.sync()
    } catch (error) {
      throw syncError(this.#context.directory, error)
    }
  }
}

async function removeIfThere(context: SegmentFileContext, name: string): Promise<void> {
  try {
    await context.files.unlink(`${context.directory}/${name}`)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}
