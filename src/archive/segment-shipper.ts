import type { Backoff, WalshipError } from '../base/index.js'
import { type ContentReading, contentOf } from '../codec/index.js'
import { historyFileName, segmentOffset, segmentStart } from '../wal/index.js'
import type { ArchiveTarget, Marks } from './archive-target.js'
import type { Catalog, SegmentId } from './catalog.js'
import { asWalshipError, fileMissing, isConflict, isRefused, LocalFileError } from './errors.js'
import type { ArchiveEvent } from './events.js'
import type { FirstPageCheck } from './first-page.js'
import type { LeftPartial } from './left-partials.js'
import type { LocalDirectory } from './local-directory.js'
import { nameOf } from './local-names.js'
import { ParkedFiles } from './parked-files.js'
import type { StoreHealth } from './store-health.js'
import { untilStored } from './until-stored.js'

export interface SegmentShipperOptions {
  readonly archive: ArchiveTarget
  readonly directory: LocalDirectory
  readonly catalog: Catalog
  readonly health: StoreHealth
  readonly backoff: Backoff
  readonly conflictRetryMs: number
  /** Uploads at once. */
  readonly uploads: number
  marksOf?(name: string): Marks | undefined
  /** Looks at segments that have no marks. */
  readonly firstPages?: FirstPageCheck
  readingOf?(name: string): ContentReading | undefined
  /** Something was proved to be in the archive. */
  onProved(job: ShippingJob): void
  onEvent(event: ArchiveEvent): void
}

/** One whole file on its way to the archive. */
export type ShippingJob =
  | { readonly kind: 'history'; readonly timeline: number }
  | ({ readonly kind: 'segment' } & SegmentId)
  | ({ readonly kind: 'partial' } & LeftPartial)

/** Per upload place: files that gave their place to another although nothing got through at all. */
const QUIETLY_PARKED_LIMIT = 2

/**
 * Sends whole files: history files first, then what timelines that were left have left over, then
 * finished segments, the oldest first. What there is to send is not queued but computed from the
 * catalog each time a place is free, so that memory does not grow during an outage.
 *
 * No segment is sent before the history file of its timeline if that is in the directory: a conflict
 * about the history would otherwise mix the WAL of two timelines of one number.
 */
export class SegmentShipper {
  readonly #options: SegmentShipperOptions
  readonly #running = new Map<string, Promise<void>>()
  readonly #parked: ParkedFiles
  readonly #pendingHistories = new Set<number>()
  readonly #pendingPartials = new Map<string, LeftPartial>()
  readonly #provedHistories = new Set<number>()
  readonly #provedPartials: Set<string>
  #signal: AbortSignal | null = null

  /** @param provedPartials names of left segments that an earlier run has proved */
  constructor(options: SegmentShipperOptions, provedPartials: Iterable<string> = []) {
    this.#options = options
    this.#parked = new ParkedFiles(QUIETLY_PARKED_LIMIT * options.uploads)
    this.#provedPartials = new Set(provedPartials)
  }

  get provedPartials(): Set<string> {
    return this.#provedPartials
  }

  /** Files in conflict or otherwise stuck. */
  get stuckCount(): number {
    return this.#parked.stuckCount
  }

  isHistoryProved(timeline: number): boolean {
    return this.#provedHistories.has(timeline)
  }

  /** In the directory and not in the archive yet, perhaps never because of a conflict. */
  isHistoryPending(timeline: number): boolean {
    return this.#pendingHistories.has(timeline)
  }

  isPartialProved(id: SegmentId): boolean {
    return this.#provedPartials.has(this.#partialName(id))
  }

  /** From now on places are filled. */
  begin(signal: AbortSignal): void {
    this.#signal = signal
  }

  addHistory(timeline: number): void {
    if (!this.#provedHistories.has(timeline)) this.#pendingHistories.add(timeline)
  }

  addPartial(partial: LeftPartial): void {
    const name = this.#partialName(partial)
    if (!this.#provedPartials.has(name)) this.#pendingPartials.set(name, partial)
  }

  /** Starts uploads while there are places and files. */
  fill(): void {
    const signal = this.#signal
    if (signal === null) return
    while (!signal.aborted && this.#running.size < this.#options.uploads) {
      const job = this.#nextJob()
      if (job === null) return
      const name = this.#nameOf(job)
      const running = this.#ship(job, name, signal).finally(() => {
        this.#running.delete(name)
        this.fill()
      })
      this.#running.set(name, running)
    }
  }

  /** Waits for all that is under way. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values())
  }

  #nextJob(): ShippingJob | null {
    const { catalog, directory } = this.#options
    for (const timeline of [...this.#pendingHistories].sort((a, b) => a - b)) {
      if (this.#isFree(historyFileName(timeline))) return { kind: 'history', timeline }
    }
    for (const [name, partial] of this.#pendingPartials) {
      if (this.#isFree(name)) return { kind: 'partial', ...partial }
    }
    for (const timeline of catalog.timelines) {
      if (this.#pendingHistories.has(timeline)) continue
      for (const segment of catalog.pending(timeline)) {
        const id = { timeline, segment }
        if (this.#isFree(nameOf(id, directory.segmentSize))) return { kind: 'segment', ...id }
      }
    }
    return null
  }

  #isFree(name: string): boolean {
    return !this.#running.has(name) && this.#parked.isFree(name)
  }

  async #ship(job: ShippingJob, name: string, signal: AbortSignal): Promise<void> {
    const { health, backoff, onProved } = this.#options
    const begun = Date.now()
    const known = this.#parked.successesBefore(name)
    const successesBefore = known ?? health.successes
    // When others get through it is this file, not the store. When none does it may still be this file, in
    // the way of the others; but during an outage not every file is to be tried in turn.
    const othersGotThrough = () => health.successes > successesBefore
    try {
      const outcome = await untilStored(() => this.#put(job, name, signal), {
        what: name,
        health,
        // What failed before says nothing new about the store.
        isKnownToFail: known !== undefined,
        backoff,
        signal,
        mayGiveUp: () => othersGotThrough() || this.#parked.mayParkQuietly,
      })
      this.#parked.release(name)
      this.#prove(job, name)
      this.#tell(job, name, outcome, Date.now() - begun)
      onProved(job)
    } catch (error) {
      if (signal.aborted) return
      const ownFault = isRefused(error) || error instanceof LocalFileError || othersGotThrough()
      this.#park(name, asWalshipError(error, name), ownFault, successesBefore)
    }
  }

  /** Reads the file anew for each attempt, so that waiting for the next one holds no memory. */
  async #put(job: ShippingJob, name: string, signal: AbortSignal): Promise<'stored' | 'already-there'> {
    const { archive, directory } = this.#options
    switch (job.kind) {
      case 'history':
        await archive.putHistory(job.timeline, await directory.readHistory(job.timeline), { signal })
        return 'stored'
      case 'segment':
        return this.#putSegment(job, name, signal)
      case 'partial':
        return archive.putSegment(name, contentOf(await this.#readCut(job, name)), { signal })
    }
  }

  async #putSegment(id: SegmentId, name: string, signal: AbortSignal): Promise<'stored' | 'already-there'> {
    const { archive, directory, marksOf, firstPages, readingOf } = this.#options
    const segment = await directory.openSegment(id)
    try {
      const marks = marksOf?.(name) ?? (await firstPages?.marksFor(name, id, segment))
      return await archive.putSegment(name, segment, { signal, marks, reading: readingOf?.(name) })
    } finally {
      await segment.close()
    }
  }

  /** A segment up to the switch, zeros behind, as a server makes it when it leaves a timeline. */
  async #readCut(partial: LeftPartial, name: string): Promise<Buffer> {
    const { directory } = this.#options
    const { segmentSize } = directory
    const cut = segmentOffset(partial.switchLsn, segmentSize)
    const whole = Buffer.alloc(segmentSize)
    if (!(await directory.readInto(whole.subarray(0, cut), name, 0))) throw fileMissing(name)
    return whole
  }

  #prove(job: ShippingJob, name: string): void {
    switch (job.kind) {
      case 'history':
        this.#pendingHistories.delete(job.timeline)
        this.#provedHistories.add(job.timeline)
        return
      case 'partial':
        this.#pendingPartials.delete(name)
        this.#provedPartials.add(name)
        return
      case 'segment':
        this.#options.catalog.prove(job)
    }
  }

  #tell(job: ShippingJob, name: string, outcome: 'stored' | 'already-there', durationMs: number): void {
    const { onEvent, directory } = this.#options
    const { timeline } = job
    if (job.kind === 'history') onEvent({ kind: 'history-archived', name, timeline })
    if (job.kind === 'partial') onEvent({ kind: 'partial-archived', name, switchLsn: job.switchLsn })
    if (job.kind !== 'segment') return
    const end = segmentStart(job.segment + 1n, directory.segmentSize)
    onEvent({ kind: 'segment-archived', name, timeline, end, outcome, durationMs })
  }

  /** Sets a file aside so that its place is free for others; it is told once, not at each attempt. */
  #park(name: string, error: WalshipError, tell: boolean, successesBefore: number): void {
    const { backoff, conflictRetryMs, onEvent } = this.#options
    const waitMs = isRefused(error) ? conflictRetryMs : backoff.maxMs
    if (!this.#parked.park(name, waitMs, tell ? error.code : null, successesBefore)) return
    onEvent({ kind: isConflict(error) ? 'segment-conflict' : 'segment-failing', name, error })
  }

  #partialName(partial: SegmentId): string {
    return `${nameOf(partial, this.#options.directory.segmentSize)}.partial`
  }

  #nameOf(job: ShippingJob): string {
    if (job.kind === 'history') return historyFileName(job.timeline)
    return job.kind === 'partial' ? this.#partialName(job) : nameOf(job, this.#options.directory.segmentSize)
  }
}
