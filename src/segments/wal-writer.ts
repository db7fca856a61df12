import { nodeFileSystem } from '../base/index.js'
import {
  isValidSegmentSize,
  type Lsn,
  lsnAdd,
  lsnMax,
  segmentFileName,
  segmentFloor,
  segmentNumber,
  segmentOffset,
} from '../wal/index.js'
import { splitAt } from './buffer-list.js'
import { CallQueue } from './call-queue.js'
import { gapError, isSyncFailure } from './errors.js'
import { NextSegmentFile } from './next-segment-file.js'
import { type OpenSegment, openSegment } from './open-segment.js'
import type { SegmentFileContext } from './segment-file.js'
import { WalDirectory } from './wal-directory.js'
import type { WalWriterOptions } from './wal-writer-options.js'

/** Larger batches are a flood to catch up with; making the next file ready would only slow it down. */
const COMMIT_SIZE_LIMIT = 256 * 1024

/**
 * Writes one timeline's WAL into a directory, segment by segment.
 *
 * It keeps these promises, and `flushed` rests on them:
 * - a final name is seen only on a complete segment whose bytes are durable;
 * - at most one of our segments is seen as `.partial`, and it follows the newest final one;
 * - `flushed` covers a byte only when it is durable in a file with a final or partial name, and that
 *   name and all before it are durable too;
 * - a partial's bytes are never lost to a restart: a plain one is kept, a compressed one is
 *   replaced only by one that holds at least as many.
 *
 * When a segment is full, it is completed (fsync, close, rename, fsync of the directory) in the
 * background while the next one fills under a hidden name; that one becomes `.partial` when the
 * one before is final. Not earlier, and only after the directory was synced in between: a crash
 * could otherwise leave the newer name without the older, and streaming would restart after a gap.
 *
 * After an error nothing more is written. `close` it and open a new one from what is on disk.
 */
export class WalWriter {
  readonly #options: WalWriterOptions
  readonly #context: SegmentFileContext
  readonly #directory: WalDirectory
  #written: Lsn
  #flushed: Lsn
  #current: OpenSegment | null = null
  #next: NextSegmentFile | null = null
  /** The segment before the current one, while it is being completed. */
  #finishing: Promise<void> | null = null
  /** The segment before the current one could not be completed, so the current one must stay hidden. */
  #predecessorLost = false
  readonly #calls = new CallQueue()

  /**
   * Removes what a killed receiver left under hidden names. The first file is opened with its first byte.
   *
   * @throws WalFileError `DIRECTORY_OPEN_FAILED`, `WAL_FILE_SYNC_FAILED`
   */
  static async open(options: WalWriterOptions): Promise<WalWriter> {
    if (!isValidSegmentSize(options.segmentSize))
      throw new RangeError(`invalid WAL segment size ${options.segmentSize}`)
    if (segmentOffset(options.start, options.segmentSize) !== 0)
      throw new RangeError('WAL writing must start at the beginning of a segment')
    const { files = nodeFileSystem, directory, segmentSize, fileMode, durable, synchronous } = options
    const context = { files, directory, segmentSize, fileMode, durable, synchronous }
    return new WalWriter(options, context, await WalDirectory.open(context, options.compression.algorithm))
  }

  private constructor(options: WalWriterOptions, context: SegmentFileContext, directory: WalDirectory) {
    this.#options = options
    this.#context = context
    this.#directory = directory
    this.#written = options.start
    this.#flushed = options.start
  }

  /** End of what was taken. */
  get written(): Lsn {
    return this.#written
  }

  /** End of what is sure to be there after a crash (with `durable` false: of what was last synced or finished). */
  get flushed(): Lsn {
    return this.#flushed
  }

  /** The file that is being written: the name it has now, and where its segment starts. Null before the first byte. */
  get openFile(): { readonly name: string; readonly segmentStart: Lsn } | null {
    if (this.#current === null) return null
    const { visibleName, filled } = this.#current
    return {
      name: visibleName,
      segmentStart: segmentFloor(lsnAdd(this.#written, filled === 0 ? 0 : -1), this.#options.segmentSize),
    }
  }

  /**
   * Takes WAL that follows what was taken before. Calls are carried out one after the other.
   *
   * @param buffers borrowed until the promise settles
   * @param sync when it resolves, everything so far is durable
   * @throws WalFileError, see ./errors.ts; also the failure of a segment completed in the background
   */
  write(lsn: Lsn, buffers: readonly Buffer[], sync: boolean): Promise<void> {
    return this.#calls.run(() => this.#write(lsn, buffers, sync))
  }

  /** Makes everything written durable: `flushed` is then `written`. */
  sync(): Promise<void> {
    return this.#calls.run(() => this.#sync())
  }

  /**
   * Leaves the open segment as `.partial`, durable and, when compressed, a valid file of its bytes
   * so far. After an error it saves what can be saved and does not report that error again.
   *
   * @returns the partial's name, null when no segment is open
   */
  close(): Promise<{ partial: string | null }> {
    return this.#calls.runLast(() => this.#close())
  }

  async #write(lsn: Lsn, buffers: readonly Buffer[], sync: boolean): Promise<void> {
    const { segmentSize, synchronous } = this.#options
    if (lsn !== this.#written) throw gapError(lsn, this.#written, segmentSize, this.#current !== null)
    let rest = buffers
    let byteCount = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    const isCommit = sync && synchronous && byteCount <= COMMIT_SIZE_LIMIT
    while (byteCount > 0) {
      this.#current ??= await this.#openSegment()
      const segment = this.#current
      const room = segmentSize - segment.filled
      const [part, later] = byteCount <= room ? [rest, []] : splitAt(rest, room)
      const partSize = Math.min(byteCount, room)
      await segment.file.append(part, segment.filled, sync && partSize < room)
      segment.filled += partSize
      this.#written = lsnAdd(this.#written, partSize)
      rest = later
      byteCount -= partSize
      if (segment.filled === segmentSize) await this.#beginFinishing(segment)
      else if (segment.hidden && segment.older !== null) {
        await segment.older.compare(part)
        await this.#replaceOlder(segment)
      }
    }
    if (sync) await this.#sync()
    if (isCommit && this.#current !== null) this.#prepareNext(this.#current.filled)
  }

  async #openSegment(): Promise<OpenSegment> {
    // No newer name may be seen when the segment before could not be completed.
    this.#calls.throwIfFailed()
    const { compression, timeline, segmentSize } = this.#options
    const segment = segmentNumber(this.#written, segmentSize)
    const next = this.#next
    this.#next = null
    const opening = openSegment({
      context: this.#context,
      compression,
      segmentName: segmentFileName(timeline, segment, segmentSize),
      predecessorOpen: this.#finishing !== null,
      next,
    })
    const opened = await opening.catch(async (error) => {
      await next?.discard()
      throw error
    })
    this.#current = opened
    this.#calls.throwIfFailed()
    // The segment before may have become final while this one was opened under a hidden name.
    if (this.#finishing === null && opened.hidden && opened.older === null) await this.#directory.show(opened)
    return opened
  }

  /** At most one segment is completed at a time: when the next is full too, writing waits here. */
  async #beginFinishing(segment: OpenSegment): Promise<void> {
    await this.#finishing
    this.#calls.throwIfFailed()
    const end = this.#written
    this.#current = null
    this.#finishing = this.#finish(segment, end)
      .then(() => this.#options.onFinished(this.#directory.finalNameOf(segment), end))
      .catch((error) => {
        this.#calls.fail(error)
        this.#predecessorLost = true
        this.#finishing = null
      })
  }

  async #finish(segment: OpenSegment, end: Lsn): Promise<void> {
    try {
      await segment.file.end()
      if (this.#context.durable) await segment.file.sync()
    } finally {
      await segment.file.close()
      await segment.older?.close().catch(() => {})
    }
    await this.#directory.finalize(segment)
    this.#flushed = lsnMax(this.#flushed, end)
    const current = this.#current
    if (current?.hidden && current.older === null) await this.#directory.show(current)
    this.#finishing = null
  }

  /** Gives a compressed segment its name once it holds what the older file of that name holds. */
  async #replaceOlder(segment: OpenSegment): Promise<void> {
    if (segment.filled < (segment.older?.size ?? 0)) return
    if (this.#finishing !== null || this.#predecessorLost) return
    await segment.file.sync()
    await this.#directory.show(segment)
  }

  async #sync(): Promise<void> {
    const target = this.#written
    if (this.#flushed >= target) return
    const segment = this.#current
    // Every synchronous commit comes here: with nothing left to do, it should not wait for turns of the loop.
    const nothingBehind = this.#finishing === null && this.#calls.failure === undefined
    if (nothingBehind && segment?.file.synced && segment.nameDurable && !segment.hidden) {
      this.#flushed = target
      return
    }
    const [synced] = await Promise.allSettled([segment?.file.sync(), this.#finishing])
    this.#calls.throwIfFailed()
    if (synced.status === 'rejected') throw synced.reason
    if (segment !== null) {
      if (segment.hidden) await this.#replaceOlder(segment)
      // Still hidden: the older file of that name holds these bytes, durably.
      if (!segment.hidden || segment.older !== null) await this.#directory.syncNameOf(segment)
    }
    this.#flushed = lsnMax(this.#flushed, target)
  }

  #prepareNext(offset: number): void {
    const { compression, timeline, segmentSize } = this.#options
    if (compression.algorithm !== 'none' || !this.#context.durable) return
    if (this.#next === null) {
      const segment = segmentNumber(this.#written, segmentSize) + 1n
      this.#next = new NextSegmentFile(segmentFileName(timeline, segment, segmentSize), this.#context)
    }
    this.#next.advance(offset)
  }

  async #close(): Promise<{ partial: string | null }> {
    await this.#finishing
    const segment = this.#current
    this.#current = null
    let partial: string | null = null
    try {
      if (segment !== null) partial = await this.#closeSegment(segment)
    } catch (error) {
      this.#calls.fail(error)
    }
    await this.#next?.discard()
    this.#next = null
    await this.#directory.close().catch(() => {})
    return { partial }
  }

  async #closeSegment(segment: OpenSegment): Promise<string | null> {
    try {
      // After a failed fsync another one may succeed without having written anything: no trust in that.
      if (!isSyncFailure(this.#calls.failure)) {
        await segment.file.end()
        await segment.file.sync()
        if (segment.hidden) await this.#replaceOlder(segment)
        if (!segment.hidden) {
          await this.#directory.syncNameOf(segment)
          if (!this.#predecessorLost) this.#flushed = lsnMax(this.#flushed, this.#written)
        }
      }
    } finally {
      await segment.file.close()
      await segment.older?.close().catch(() => {})
      if (segment.hidden) await this.#directory.discard(segment)
    }
    return segment.hidden && segment.older === null ? null : segment.partialName
  }
}
