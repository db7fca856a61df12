import type { Backoff } from '../base/index.js'
import { segmentStart } from '../wal/index.js'
import type { ArchiveInventory } from './archive-inventory.js'
import type { ArchiveTarget } from './archive-target.js'
import { type ArchivedMarks, writeMarks } from './archived-marks.js'
import type { Catalog, SegmentId } from './catalog.js'
import type { Coverage, Hole } from './coverage.js'
import { asWalshipError } from './errors.js'
import type { ArchiveEvent } from './events.js'
import { findHead, type Head } from './head.js'
import { findLeftPartials } from './left-partials.js'
import type { LocalDirectory } from './local-directory.js'
import { finishedSegment, type LocalFiles, nameOf } from './local-names.js'
import type { KeepLocal, LiveSegment } from './options.js'
import { segmentsToRemove } from './retention.js'
import type { SegmentShipper } from './segment-shipper.js'
import type { StoreHealth } from './store-health.js'
import { untilStored } from './until-stored.js'

export interface DirectoryWatchOptions {
  readonly archive: ArchiveTarget
  readonly directory: LocalDirectory
  readonly catalog: Catalog
  readonly coverage: Coverage
  readonly inventory: ArchiveInventory
  readonly shipper: SegmentShipper
  readonly health: StoreHealth
  readonly backoff: Backoff
  readonly keepLocal: KeepLocal | null
  live(): LiveSegment | null
  onEvent(event: ArchiveEvent): void
}

/** How often the archive is looked at for what fills a gap that was told. */
const GAP_LIST_MS = 60_000

/**
 * Compares the directory with what is known, and enters into the catalog and the coverage what follows
 * from it: new segments and history files, the timeline followed, holes, partials that were left.
 */
export class DirectoryWatch {
  readonly #options: DirectoryWatchOptions
  /** Finished while the directory was being read, so that the list may lack them. */
  #finishedMeanwhile: SegmentId[] = []
  #head: Head | null = null
  #gapTold: bigint | null = null
  #gapListedAt = 0
  #historyToldMissing = 0
  #retiring = false
  #noted = ''
  #oldestPendingAt: number | null = null
  #readingMs = 0

  constructor(options: DirectoryWatchOptions) {
    this.#options = options
  }

  /** Where the receiver is, or would go on, by the last look. */
  get head(): Head | null {
    return this.#head
  }

  /** How long the last listing of the directory took, in milliseconds. */
  get readingMs(): number {
    return this.#readingMs
  }

  /** Milliseconds since the epoch, by the last look. */
  get oldestPendingAt(): number | null {
    return this.#oldestPendingAt
  }

  /**
   * A file has just got its final name.
   *
   * @returns false when only a look can tell what to do with it: the first of a timeline, which may have
   *   a history file that must go first
   */
  finished(name: string): boolean {
    const { catalog, directory, inventory } = this.#options
    const id = finishedSegment(name, directory.segmentSize)
    if (id === null) return true
    this.#finishedMeanwhile.push(id)
    if (!inventory.isTaken(id.timeline)) return false
    catalog.addLocal(id)
    return true
  }

  /** @throws LocalFileError when the directory cannot be read; the signal's reason when it aborts */
  async look(signal: AbortSignal): Promise<void> {
    const { directory, catalog, inventory, shipper } = this.#options
    const live = this.#options.live()
    this.#finishedMeanwhile = []
    const begun = Date.now()
    const files = await directory.list()
    this.#readingMs = Date.now() - begun
    const head = await findHead(live, files, directory)
    catalog.setLocal(files.finished)
    for (const id of this.#finishedMeanwhile) catalog.addLocal(id)
    for (const timeline of files.histories) shipper.addHistory(timeline)
    const historyOf = (timeline: number) => directory.readHistory(timeline).catch(() => null)
    const isDone = (id: SegmentId) => shipper.isPartialProved(id)
    const left = await findLeftPartials(files, directory.segmentSize, isDone, historyOf)
    for (const partial of left) shipper.addPartial(partial)
    for (const timeline of timelinesOf(files)) {
      if (!inventory.isTaken(timeline)) await inventory.take(timeline, signal)
    }
    this.#head = head
    if (head !== null) {
      await this.#follow(head, signal)
      await this.#findHistory(files, signal)
    }
    const oldest = catalog.oldestPending
    this.#oldestPendingAt = oldest === null ? null : await directory.finishedAt(oldest)
  }

  /** Removes local files as the retention rule wants it. */
  async retire(): Promise<void> {
    const { keepLocal, onEvent, directory, catalog } = this.#options
    if (keepLocal === null || this.#retiring) return
    this.#retiring = true
    const finishedAt = (id: SegmentId) => directory.finishedAt(id)
    let name = directory.path
    try {
      for (const id of await segmentsToRemove(catalog, keepLocal, finishedAt, Date.now())) {
        name = nameOf(id, directory.segmentSize)
        await directory.removeSegment(id)
        catalog.removeLocal(id)
        onEvent({ kind: 'segment-removed', name })
      }
    } catch (error) {
      onEvent({ kind: 'warning', error: asWalshipError(error, name) })
    } finally {
      this.#retiring = false
    }
  }

  /** Notes for the next run what is proved, if that has changed. */
  async saveMarks(): Promise<void> {
    const { directory, archive, catalog, shipper, onEvent } = this.#options
    const segments: ArchivedMarks['segments'] = new Map()
    for (const timeline of catalog.timelines) {
      // Of those that have left the directory nobody will ask.
      segments.set(timeline, catalog.local(timeline).within(catalog.proved(timeline)))
    }
    try {
      this.#noted = await writeMarks(
        directory.path,
        archive.name,
        { segments, partials: shipper.provedPartials },
        this.#noted,
      )
    } catch (error) {
      onEvent({ kind: 'warning', error: asWalshipError(error, directory.path) })
    }
  }

  /** A hole was accepted: the next one is told again. */
  forgetGap(): void {
    this.#gapTold = null
  }

  async #follow({ timeline, segment }: Head, signal: AbortSignal): Promise<void> {
    const { coverage, shipper, inventory } = this.#options
    if (coverage.timeline !== timeline) {
      const hole = coverage.follow(timeline, segment)
      if (shipper.isHistoryProved(timeline)) coverage.proveHistory(timeline)
      if (hole !== null) this.#tellGap(timeline, hole)
      return
    }
    const hole = coverage.firstHole(segment)
    const isTold = hole !== null && hole.from === this.#gapTold
    if (hole === null || (isTold && Date.now() < this.#gapListedAt + GAP_LIST_MS)) return
    // Not here, but perhaps in the archive: another receiver may have brought it there, or bring it there later.
    this.#gapListedAt = Date.now()
    await inventory.list(timeline, hole.from, segment, signal)
    const missing = coverage.firstHole(segment)
    if (missing !== null) await inventory.listWholeTails(timeline, missing.from, missing.to, signal)
    const still = coverage.firstHole(segment)
    if (still !== null && still.from !== this.#gapTold) this.#tellGap(timeline, still)
  }

  /** Without a history file in the archive nobody finds the way to the timeline. */
  async #findHistory(files: LocalFiles, signal: AbortSignal): Promise<void> {
    const { coverage, archive, health, backoff, onEvent } = this.#options
    const { timeline } = coverage
    // In the directory: it is on its way, and counts when it has arrived.
    if (coverage.hasHistory || files.histories.includes(timeline)) return
    if (this.#historyToldMissing === timeline) return
    const history = await untilStored(() => archive.getHistory(timeline, { signal }), {
      what: `history of timeline ${timeline}`,
      health,
      backoff,
      signal,
    })
    if (history !== null) return coverage.proveHistory(timeline)
    this.#historyToldMissing = timeline
    onEvent({ kind: 'history-missing', timeline })
  }

  #tellGap(timeline: number, { from, to }: Hole): void {
    const { onEvent, directory } = this.#options
    this.#gapTold = from
    onEvent({
      kind: 'coverage-gap',
      timeline,
      from: segmentStart(from, directory.segmentSize),
      to: segmentStart(to, directory.segmentSize),
    })
  }
}

/** Those of the local segments, and those that came after the oldest of them and may have left no segment here. */
function timelinesOf({ finished, histories }: LocalFiles): number[] {
  const oldest = Math.min(...finished.keys())
  const timelines = new Set([...finished.keys(), ...histories.filter((timeline) => timeline > oldest)])
  return [...timelines].sort((a, b) => a - b)
}
