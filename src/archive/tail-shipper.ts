import type { Backoff } from '../base/index.js'
import type { ArchiveTarget } from './archive-target.js'
import type { SegmentId } from './catalog.js'
import { asWalshipError, LocalFileError } from './errors.js'
import type { ArchiveEvent } from './events.js'
import { nameOf } from './local-names.js'
import { liveSegmentId, type OpenSegmentReader, wasWrittenBy, writtenOffset } from './open-segment-reader.js'
import type { LiveSegment } from './options.js'
import { SegmentTail } from './segment-tail.js'
import type { StoreHealth } from './store-health.js'
import { untilStored } from './until-stored.js'

export interface TailShipperOptions {
  readonly archive: ArchiveTarget
  readonly segmentSize: number
  readonly reader: OpenSegmentReader
  readonly health: StoreHealth
  readonly backoff: Backoff
  readonly conflictRetryMs: number
  /** Somebody waits for every byte: parts of a segment are completed although the whole is about to follow. */
  readonly eager: boolean
  readonly partsInFlight: number
  live(): LiveSegment | null
  /** So many finished segments wait that parts of the open one would be of no use yet. */
  isBehind(): boolean
  /** The timeline's history has to go first, or is in conflict: parts would get into another timeline's tail. */
  mustWait(timeline: number): boolean
  /** The segment is in the archive as a whole. */
  isArchived(id: SegmentId): boolean
  onCovered(): void
  onEvent(event: ArchiveEvent): void
}

/** Milliseconds for parts under way to arrive before the tail is removed. */
const GRACE_MS = 10_000

/**
 * Keeps the tail of the archive in step with the open segment, and removes it once the segment is in.
 */
export class TailShipper {
  readonly #options: TailShipperOptions
  readonly #tails = new Map<string, SegmentTail>()
  readonly #removals = new Set<Promise<void>>()
  readonly #stopping = new AbortController()

  constructor(options: TailShipperOptions) {
    this.#options = options
  }

  /** Bytes from the segment's start on that the archive holds as parts. */
  covered(id: SegmentId): number {
    return this.#tails.get(this.#nameOf(id))?.covered ?? 0
  }

  /**
   * Sends what is new in the open segment.
   *
   * @param force also when finished segments wait
   */
  advance(force = false): void {
    const { segmentSize, eager, isBehind, mustWait } = this.#options
    const live = this.#options.live()
    if (live === null || mustWait(live.timeline) || (!force && isBehind())) return
    const id = liveSegmentId(live, segmentSize)
    for (const tail of this.#tails.values()) {
      const finished = tail.id.segment < id.segment && wasWrittenBy(live, tail.id, segmentSize)
      if (finished && eager) tail.advance(segmentSize)
    }
    const written = writtenOffset(live)
    if (written > 0) this.#tailOf(id)?.advance(written)
  }

  /** Sends what is new in a partial that no one is writing. @returns how far it goes, as an offset */
  async advanceLeft(id: SegmentId): Promise<number> {
    const extent = await this.#options.reader.extentOf(id).catch((error) => {
      if (error instanceof LocalFileError) return 0
      throw error
    })
    if (extent > 0 && !this.#options.mustWait(id.timeline)) this.#tailOf(id)?.advance(extent)
    return extent
  }

  /**
   * A finished segment is in the archive: its tail goes. So do those of older timelines up to there,
   * not before: until then they may be the only ones to hold the bytes before the switch.
   */
  segmentArchived({ timeline, segment }: SegmentId): void {
    for (const [name, tail] of this.#tails) {
      const same = tail.id.timeline === timeline && tail.id.segment === segment
      const older = tail.id.timeline < timeline && tail.id.segment <= segment
      if (!same && !older) continue
      this.#tails.delete(name)
      this.#inBackground(async () => {
        await tail.stop(GRACE_MS)
        // Parts that are not ours are evidence; the whole segment is what counts.
        if (tail.conflict === null) await this.#delete(tail.id)
      })
    }
  }

  /** Removes what a run that was killed may have left behind. */
  removeLeftOver(id: SegmentId): void {
    if (!this.#tails.has(this.#nameOf(id))) this.#inBackground(() => this.#delete(id))
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all([...this.#tails.values()].map((tail) => tail.stop(0)))
    await Promise.allSettled(this.#removals)
  }

  #tailOf(id: SegmentId): SegmentTail | null {
    const name = this.#nameOf(id)
    const found = this.#tails.get(name)
    if (found !== undefined) return found
    if (this.#options.isArchived(id) || this.#stopping.signal.aborted) return null
    const { reader, partsInFlight, ...options } = this.#options
    const tail = new SegmentTail({
      archive: options.archive,
      id,
      segmentSize: options.segmentSize,
      partsInFlight,
      health: options.health,
      backoff: options.backoff,
      conflictRetryMs: options.conflictRetryMs,
      read: (target, from) => reader.read(id, target, from),
      onCovered: options.onCovered,
      onEvent: options.onEvent,
    })
    this.#tails.set(name, tail)
    return tail
  }

  async #delete({ timeline, segment }: SegmentId): Promise<void> {
    const { archive, health, backoff } = this.#options
    const { signal } = this.#stopping
    await untilStored(() => archive.deleteTail(timeline, segment, { signal }), {
      what: this.#nameOf({ timeline, segment }),
      health,
      backoff,
      signal,
      mayGiveUp: () => true,
    })
  }

  #inBackground(task: () => Promise<void>): void {
    const { signal } = this.#stopping
    const running = task()
      .catch((error) => {
        if (signal.aborted) return
        this.#options.onEvent({ kind: 'warning', error: asWalshipError(error, 'tail') })
      })
      .finally(() => this.#removals.delete(running))
    this.#removals.add(running)
  }

  #nameOf(id: SegmentId): string {
    return nameOf(id, this.#options.segmentSize)
  }
}
