import { segmentNumber, segmentStart } from '../wal/index.js'
import type { SegmentId } from './catalog.js'
import { fileChanged, fileMissing } from './errors.js'
import type { LocalDirectory } from './local-directory.js'
import { nameOf } from './local-names.js'
import type { LiveSegment } from './options.js'
import { partialExtent } from './partial-extent.js'

/**
 * Reads bytes of segments that are open, or were a moment ago, while the receiver works on them:
 * their file may get another name at any time, and after a reconnection may be begun anew.
 */
export class OpenSegmentReader {
  readonly #directory: LocalDirectory
  readonly #live: () => LiveSegment | null
  #measured: { name: string; mtimeMs: number; extent: number } | null = null

  constructor(directory: LocalDirectory, live: () => LiveSegment | null) {
    this.#directory = directory
    this.#live = live
  }

  /**
   * Bytes of a segment that were written, whatever its file is called by now.
   *
   * @param target filled with them; it may hold anything after an error
   * @param from first byte, offset in the segment
   * @throws LocalFileError when they cannot be had, for now or for good
   */
  async read(id: SegmentId, target: Buffer, from: number): Promise<void> {
    const to = from + target.length
    const name = nameOf(id, this.#directory.segmentSize)
    const partialName = `${name}.partial`
    // The name can change between the look and the opening, at most twice: hidden, partial, final.
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const live = this.#liveOf(id)
      if (live !== null && writtenOffset(live) < to) throw fileChanged(partialName)
      if (await this.#directory.readInto(target, live?.partialName ?? partialName, from)) {
        if (this.#liveOf(id)?.writer !== live?.writer) continue
        if (live !== null || this.#isBehind(id) || (await this.extentOf(id)) >= to) return
        // Begun anew by a writer that is gone again: what was read may never have been written.
        throw fileChanged(partialName)
      }
      if (await this.#directory.readInto(target, name, from)) return
    }
    throw fileMissing(partialName)
  }

  /**
   * How far a partial that no one is writing goes.
   *
   * @returns offset in the segment; 0 when nothing is sure
   * @throws LocalFileError
   */
  async extentOf(id: SegmentId): Promise<number> {
    const { segmentSize } = this.#directory
    const name = `${nameOf(id, segmentSize)}.partial`
    const mtimeMs = await this.#directory.changedAt(name)
    if (mtimeMs === null) return 0
    if (this.#measured?.name === name && this.#measured.mtimeMs === mtimeMs) return this.#measured.extent
    const content = await this.#directory.readWhole(name)
    const extent = content === null ? 0 : partialExtent(content, segmentStart(id.segment, segmentSize))
    this.#measured = { name, mtimeMs, extent }
    return extent
  }

  /** Its writer is in a later segment, so that this one is complete whatever its name. */
  #isBehind(id: SegmentId): boolean {
    const live = this.#live()
    if (live === null || !wasWrittenBy(live, id, this.#directory.segmentSize)) return false
    return segmentNumber(live.segmentStart, this.#directory.segmentSize) > id.segment
  }

  #liveOf({ timeline, segment }: SegmentId): LiveSegment | null {
    const live = this.#live()
    if (live === null || live.timeline !== timeline) return null
    return segmentNumber(live.segmentStart, this.#directory.segmentSize) === segment ? live : null
  }
}

/** Offset of the end of what is written in the open segment. */
export function writtenOffset(live: LiveSegment): number {
  return Number(live.written - live.segmentStart)
}

export function liveSegmentId(live: LiveSegment, segmentSize: number): SegmentId {
  return { timeline: live.timeline, segment: segmentNumber(live.segmentStart, segmentSize) }
}

/**
 * Whether the stream that is live has come through a segment, or is in it. A partial that lies before its start was left
 * by an earlier one, and is not complete because the receiver is beyond it: it may have gone on behind what
 * another receiver has archived.
 */
export function wasWrittenBy(live: LiveSegment, id: SegmentId, segmentSize: number): boolean {
  return live.timeline === id.timeline && id.segment >= segmentNumber(live.streamStart, segmentSize)
}
