import { setMaxListeners } from 'node:events'
import { type Backoff, sleep, WalshipError } from '../base/index.js'
import { type Lsn, lsnAdd, segmentNumber, segmentStart } from '../wal/index.js'
import { ArchiveInventory } from './archive-inventory.js'
import { readMarks } from './archived-marks.js'
import type { ArchiverSnapshot } from './archiver-snapshot.js'
import { Catalog } from './catalog.js'
import { Coverage } from './coverage.js'
import { DirectoryWatch } from './directory-watch.js'
import { Doorbell } from './doorbell.js'
import { FirstPageCheck } from './first-page.js'
import { leftPartial } from './left-partials.js'
import { LocalDirectory } from './local-directory.js'
import { OpenSegmentReader } from './open-segment-reader.js'
import {
  type ArchiverOptions,
  DEFAULT_BACKOFF,
  DEFAULT_CONFLICT_RETRY_MS,
  DEFAULT_LOOK_INTERVAL_MS,
  DEFAULT_PARTS_IN_FLIGHT,
  DEFAULT_UPLOADS,
  uploadLimit,
} from './options.js'
import { SegmentShipper, type ShippingJob } from './segment-shipper.js'
import { StoreHealth } from './store-health.js'
import { TailShipper } from './tail-shipper.js'

const TICK_WITHOUT_INTERVAL_MS = 1000
/** While someone waits in `flush`, the open segment is looked at so often. */
const FLUSH_LOOK_MS = 250
/** Segments whose tail a killed run may not have got round to removing. */
const LEFT_OVERS_LOOKED_AT = 4n

interface TimelinePosition {
  readonly timeline: number
  readonly lsn: Lsn
}

/** The parts that exist only while it runs. */
interface Crew {
  readonly shipper: SegmentShipper
  readonly watch: DirectoryWatch
}

/**
 * Keeps the archive in step with the directory a receiver fills.
 *
 * Promises:
 * - The directory is the queue. What is to be sent is computed from it, at the start and every few
 *   seconds; a lost nudge costs time, not data.
 * - A failing store never ends the run: everything is tried again for ever.
 * - `archived` passes a byte only when the archive was seen to hold it and everything before it, from
 *   where this run's coverage begins.
 * - Nothing in the directory is removed before the archive was seen to hold it.
 *
 * Not promised: that two archivers on one archive do not send the same bytes twice.
 */
export class Archiver {
  readonly #options: ArchiverOptions
  readonly #backoff: Backoff
  readonly #directory: LocalDirectory
  readonly #catalog = new Catalog()
  readonly #coverage: Coverage
  readonly #health: StoreHealth
  readonly #tails: TailShipper
  readonly #bell = new Doorbell()
  readonly #moved = new Doorbell()
  readonly #uploads: number
  readonly #hasTail: boolean
  readonly #leftBeforeRun: { timeline: number; switchLsn: Lsn }[] = []
  #crew: Crew | null = null
  #running = false
  #wasLive = false
  #looks = 0
  #lookedForLeftOvers = false

  constructor(options: ArchiverOptions) {
    const { directory, segmentSize, onEvent, archive } = options
    this.#options = options
    this.#backoff = options.backoff ?? DEFAULT_BACKOFF
    this.#uploads = uploadLimit(options.uploads ?? DEFAULT_UPLOADS, segmentSize)
    const eager = options.ack === 'archived'
    this.#hasTail = eager || options.tailIntervalMs > 0
    this.#directory = new LocalDirectory(directory, segmentSize)
    this.#coverage = new Coverage(segmentSize, this.#catalog, (id) => this.#tails.covered(id))
    this.#health = new StoreHealth({
      onFailing: (error) => onEvent({ kind: 'store-failing', error }),
      onRecovered: (failures, durationMs) => onEvent({ kind: 'store-recovered', failures, durationMs }),
    })
    this.#tails = new TailShipper({
      archive,
      segmentSize,
      reader: new OpenSegmentReader(this.#directory, () => options.live()),
      health: this.#health,
      backoff: this.#backoff,
      conflictRetryMs: options.conflictRetryMs ?? DEFAULT_CONFLICT_RETRY_MS,
      eager,
      partsInFlight: eager ? (options.partsInFlight ?? DEFAULT_PARTS_IN_FLIGHT) : 1,
      live: () => options.live(),
      isBehind: () => this.#catalog.pendingCount > this.#uploads,
      mustWait: (timeline) =>
        timeline !== this.#coverage.timeline || (this.#crew?.shipper.isHistoryPending(timeline) ?? true),
      isArchived: (id) => this.#catalog.isProved(id),
      onCovered: () => this.#update(),
      onEvent,
    })
  }

  /** See ArchiverOptions.onArchived. INVALID_LSN while nothing is known. */
  get archived(): Lsn {
    return this.#coverage.archived
  }

  get snapshot(): ArchiverSnapshot {
    const pendingSegments = this.#catalog.pendingCount
    return {
      timeline: this.#coverage.timeline,
      archived: this.#coverage.archived,
      pendingSegments,
      pendingBytes: pendingSegments * this.#options.segmentSize,
      oldestPendingAt: pendingSegments === 0 ? null : (this.#crew?.watch.oldestPendingAt ?? null),
      stuckFiles: this.#crew?.shipper.stuckCount ?? 0,
      failures: this.#health.failures,
      failingSince: this.#health.failingSince,
      lastError: this.#health.lastError,
    }
  }

  /**
   * Runs until the signal aborts; what is under way is then broken off. Call `flush` before for a clean
   * end. One run per archiver.
   */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#crew !== null || this.#running) throw new Error('an archiver runs once')
    this.#running = true
    // Of our own, because every upload listens to it, and to end one loop with the other.
    const stopping = new AbortController()
    setMaxListeners(0, stopping.signal)
    const stop = () => stopping.abort(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    const crew = await this.#assemble()
    this.#crew = crew
    for (const left of this.#leftBeforeRun.splice(0)) this.leaveTimeline(left)
    try {
      await Promise.all([
        this.#lookOften(crew, stopping.signal).finally(stop),
        this.#tickOften(stopping.signal).finally(stop),
      ])
    } finally {
      this.#running = false
      this.#moved.ring()
      signal.removeEventListener('abort', stop)
      await Promise.all([crew.shipper.settled(), this.#tails.stop()])
      await crew.watch.saveMarks()
    }
  }

  /**
   * There is something new. Cheap enough for every batch that was written.
   *
   * @param finishedName the segment whose file has just got its final name, which saves a look at the
   *   directory. Without it, bytes were written to the open segment
   */
  nudge(finishedName?: string): void {
    if (finishedName === undefined && this.#options.ack !== 'archived') this.#bell.ring()
    if (finishedName !== undefined) {
      if (this.#crew?.watch.finished(finishedName)) this.#crew.shipper.fill()
      else this.#bell.ring()
    }
    if (this.#options.ack === 'archived') this.#tick()
  }

  /** The receiver has left a timeline at `switchLsn`: its last segment is archived as `.partial`. */
  leaveTimeline(left: { timeline: number; switchLsn: Lsn }): void {
    if (this.#crew === null) {
      this.#leftBeforeRun.push(left)
      return
    }
    const partial = leftPartial(left, this.#options.segmentSize)
    if (partial === null) return
    this.#crew.shipper.addPartial(partial)
    this.#bell.ring()
  }

  /**
   * A hole in the archive was accepted knowingly: coverage begins anew at `lsn`, the start of a segment.
   * Without this call `archived` never passes a hole.
   */
  startAfterGap({ timeline, lsn }: { timeline: number; lsn: Lsn }): void {
    this.#coverage.follow(timeline, segmentNumber(lsn, this.#options.segmentSize))
    if (this.#crew?.shipper.isHistoryProved(timeline)) this.#coverage.proveHistory(timeline)
    this.#crew?.watch.forgetGap()
    this.#update()
    this.#bell.ring()
  }

  /**
   * Waits until the archive holds all that is written now, tail included.
   *
   * @param signal gives up waiting; that is no error
   */
  async flush(signal: AbortSignal): Promise<void> {
    const looks = this.#looks
    this.#bell.ring()
    while (this.#running && !signal.aborted) {
      // A look that was under way may have missed the last file; the one after it has not.
      const looked = this.#looks >= looks + 2 || (this.#options.live() !== null && this.#looks > 0)
      // Every time, because not every finished segment may have been told of.
      this.#bell.ring()
      const target = await this.#advanceToEnd()
      if (looked && (target === null || this.#isArchived(target))) return
      await this.#moved.wait(FLUSH_LOOK_MS, signal)
    }
  }

  /** A position of another timeline says nothing about this one. */
  #isArchived({ timeline, lsn }: TimelinePosition): boolean {
    return this.#coverage.timeline === timeline && this.#coverage.archived >= lsn
  }

  /** Sends what is not sent yet. @returns the end of what can be archived now; null when there is nothing */
  async #advanceToEnd(): Promise<TimelinePosition | null> {
    const { segmentSize } = this.#options
    const live = this.#options.live()
    if (live !== null) {
      const { timeline, segmentStart: lsn, written } = live
      if (!this.#hasTail) return { timeline, lsn }
      this.#tails.advance(true)
      return { timeline, lsn: written }
    }
    const head = this.#crew?.watch.head ?? null
    if (head === null) return null
    const extent = this.#hasTail && head.idlePartial ? await this.#tails.advanceLeft(head.idlePartial) : 0
    return { timeline: head.timeline, lsn: lsnAdd(segmentStart(head.segment, segmentSize), extent) }
  }

  async #assemble(): Promise<Crew> {
    const { archive, onEvent, segmentSize, notWal } = this.#options
    const { conflictRetryMs = DEFAULT_CONFLICT_RETRY_MS } = this.#options
    const marks = await readMarks(this.#options.directory, archive.name)
    const shared = {
      archive,
      directory: this.#directory,
      catalog: this.#catalog,
      health: this.#health,
      backoff: this.#backoff,
      onEvent,
    }
    const onProved = (job: ShippingJob) => this.#proved(job)
    const shipper = new SegmentShipper(
      {
        ...shared,
        conflictRetryMs,
        uploads: this.#uploads,
        marksOf: (name) => this.#options.marksOf?.(name),
        firstPages: notWal && new FirstPageCheck(notWal, onEvent),
        readingOf: (name) => this.#options.readingOf?.(name),
        onProved,
      },
      marks.partials,
    )
    const watch = new DirectoryWatch({
      ...shared,
      shipper,
      coverage: this.#coverage,
      inventory: new ArchiveInventory({ ...shared, segmentSize, marks }),
      keepLocal: this.#options.keepLocal,
      live: () => this.#options.live(),
    })
    return { shipper, watch }
  }

  async #tickOften(signal: AbortSignal): Promise<void> {
    const { tailIntervalMs } = this.#options
    while (!signal.aborted) {
      this.#tick()
      await sleep(tailIntervalMs > 0 ? tailIntervalMs : TICK_WITHOUT_INTERVAL_MS, signal)
    }
  }

  #tick(): void {
    if (!this.#running) return
    const live = this.#options.live()
    const elsewhere = live === null ? this.#wasLive : live.timeline !== this.#coverage.timeline
    this.#wasLive = live !== null
    if (elsewhere) this.#bell.ring()
    // Before the first look nobody knows whether finished segments wait.
    if (this.#hasTail && this.#looks > 0) this.#tails.advance()
  }

  async #lookOften(crew: Crew, signal: AbortSignal): Promise<void> {
    const intervalMs = this.#options.lookIntervalMs ?? DEFAULT_LOOK_INTERVAL_MS
    let failing = false
    while (!signal.aborted) {
      try {
        await this.#look(crew, signal)
        failing = false
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof WalshipError)) throw error
        if (!failing) this.#options.onEvent({ kind: 'warning', error })
        failing = true
      }
      this.#looks += 1
      this.#moved.ring()
      // A directory with a hundred thousand files takes long to read: no more than a tenth of the time.
      await this.#bell.wait(Math.max(intervalMs, 10 * crew.watch.readingMs), signal)
    }
  }

  async #look({ shipper, watch }: Crew, signal: AbortSignal): Promise<void> {
    await watch.look(signal)
    shipper.begin(signal)
    shipper.fill()
    this.#update()
    const idle = watch.head?.idlePartial
    if (this.#hasTail && idle && this.#options.live() === null) await this.#tails.advanceLeft(idle)
    this.#removeLeftOvers()
    await watch.retire()
    await watch.saveMarks()
  }

  #proved(job: ShippingJob): void {
    if (job.kind === 'history') this.#coverage.proveHistory(job.timeline)
    this.#update()
    if (job.kind !== 'segment') return
    this.#tails.segmentArchived(job)
    void this.#crew?.watch.retire()
  }

  #update(): void {
    if (this.#coverage.update()) this.#options.onArchived(this.#coverage.archived, this.#coverage.timeline)
    this.#moved.ring()
  }

  #removeLeftOvers(): void {
    if (this.#lookedForLeftOvers || !this.#hasTail) return
    this.#lookedForLeftOvers = true
    for (const timeline of this.#catalog.timelines) {
      const archived = this.#catalog.local(timeline).within(this.#catalog.proved(timeline))
      const end = (archived.last ?? -1n) + 1n
      for (const segment of archived) {
        if (segment >= end - LEFT_OVERS_LOOKED_AT) this.#tails.removeLeftOver({ timeline, segment })
      }
    }
  }
}
