import { constants } from 'node:fs'
import { errnoOf, type OpenFile, WRITE_DURABLY_FLAG, writeFully } from '../base/index.js'
import { closeError, syncError, writeError } from './errors.js'
import type { SegmentFile, SegmentFileContext } from './segment-file.js'

/** The descriptors of an uncompressed segment. */
export interface PlainDescriptors {
  readonly file: OpenFile
  /** A second one, whose writes are durable when they return; null where that is not wanted or not to be had. */
  readonly durable: OpenFile | null
}

/**
 * An uncompressed segment: every byte at its offset, the file of full size from the beginning. The
 * space behind the last byte is a hole or what the file held before, never written in advance:
 * pg_receivewal fills each new file with zeros first and so writes everything twice.
 *
 * A synchronous commit is one write through the second descriptor (O_DSYNC): one trip to the thread
 * pool where write and fdatasync are two. Measured on ext4, 8 kB at a time into blocks that are
 * already there: 3300/s with fdatasync, 4900/s this way; 512 kB at a time: 2200/s and 2550/s.
 */
export class PlainSegmentFile implements SegmentFile {
  readonly #descriptors: PlainDescriptors
  readonly #segmentName: string
  readonly #context: SegmentFileContext
  #unsynced = false

  constructor(descriptors: PlainDescriptors, segmentName: string, context: SegmentFileContext) {
    this.#descriptors = descriptors
    this.#segmentName = segmentName
    this.#context = context
    // Bytes of an earlier run may be in the file that nobody has synced.
    this.#unsynced = context.durable
  }

  async append(buffers: readonly Buffer[], offset: number, durably: boolean): Promise<void> {
    const { file, durable } = this.#descriptors
    // A durable write syncs its own range only, so it will not do with other bytes pending.
    const atOnce = durably && durable !== null && !this.#unsynced
    if (!atOnce) this.#unsynced = this.#context.durable
    try {
      await writeFully(atOnce ? durable : file, buffers, offset)
    } catch (error) {
      if (atOnce && errnoOf(error) === 'EIO') throw syncError(`${this.#segmentName}.partial`, error)
      const byteCount = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
      throw writeError(this.#segmentName, byteCount, error)
    }
  }

  get synced(): boolean {
    return !this.#unsynced
  }

  async sync(): Promise<void> {
    if (!this.#unsynced) return
    try {
      await this.#descriptors.file.datasync()
    } catch (error) {
      throw syncError(`${this.#segmentName}.partial`, error)
    }
    this.#unsynced = false
  }

  async end(): Promise<void> {}

  async close(): Promise<void> {
    try {
      await closeDescriptors(this.#descriptors)
    } catch (error) {
      throw closeError(this.#segmentName, error)
    }
  }
}

/**
 * Opens a segment's file for plain writing.
 *
 * @param flags what to do besides opening for writing: `O_CREAT` and relatives
 * @throws the operating system's error
 */
export async function openDescriptors(
  path: string,
  flags: number,
  context: SegmentFileContext,
): Promise<PlainDescriptors> {
  const { files, fileMode } = context
  const file = await files.open(path, constants.O_WRONLY | flags, fileMode)
  try {
    // Open has applied the umask; only the group's bits can have been lost by it.
    if ((flags & constants.O_CREAT) !== 0 && (fileMode & 0o077) !== 0) await file.chmod(fileMode)
    const twice = context.synchronous && context.durable && WRITE_DURABLY_FLAG !== 0
    const durable = twice ? await files.open(path, constants.O_WRONLY | WRITE_DURABLY_FLAG) : null
    return { file, durable }
  } catch (error) {
    await file.close().catch(() => {})
    throw error
  }
}

export async function closeDescriptors(descriptors: PlainDescriptors): Promise<void> {
  await descriptors.durable?.close()
  await descriptors.file.close()
}
