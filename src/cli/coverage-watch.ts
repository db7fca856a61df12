import type { ArchiveEvent } from '../archive/index.js'
import { sleep } from '../base/index.js'
import { type CommitWindow, type CoverageState, joinRanges, type LsnRange } from '../status/index.js'
import {
  INVALID_LSN,
  lsnMax,
  lsnMin,
  parseSegmentFileName,
  segmentFloor,
  segmentStart,
} from '../wal/index.js'
import { commitWindow } from './commit-window.js'
import { listCoverage } from './list-coverage.js'
import type { Shipping } from './shipping.js'

/** A list costs one request for a thousand segments; what happens in between is seen anyway. */
const LIST_INTERVAL_MS = 60 * 60 * 1000
const RETRY_MS = 30_000
/** How old the times of the recovery window may be: a few requests each time, and only when something was archived. */
const TIMES_INTERVAL_MS = 60_000
const WAIT_FOR_ARCHIVE_MS = 500

/**
 * What the archive holds: from a list of the store at the start and once an hour, and from what is archived in
 * between.
 */
export class CoverageWatch {
  readonly #shipping: Shipping
  readonly #stop = new AbortController()
  #listed: CoverageState | null = null
  #held: readonly LsnRange[] = []
  /** Seen to be archived since the last list began. */
  #sinceList: readonly LsnRange[] = []
  /** Holes the archiver has told of. */
  #toldGaps: readonly LsnRange[] = []
  #commits: CommitWindow | null = null
  #timesAreOld = true

  constructor(shipping: Shipping) {
    this.#shipping = shipping
  }

  start(): void {
    void this.#run()
    void this.#watchTimes()
  }

  close(): void {
    this.#stop.abort()
  }

  onArchiveEvent(event: ArchiveEvent): void {
    const { segmentSize } = this.#shipping
    if (segmentSize === null) return
    if (event.kind === 'segment-archived') {
      const id = parseSegmentFileName(event.name.slice(0, 24), segmentSize)
      if (id === null) return
      this.#add({ timeline: id.timeline, from: segmentStart(id.segment, segmentSize), to: event.end })
      this.#timesAreOld = true
    } else if (event.kind === 'tail-archived') this.#add(event)
    else if (event.kind === 'partial-archived') {
      const id = parseSegmentFileName(event.name.slice(0, 24), segmentSize)
      if (id === null) return
      this.#add({ timeline: id.timeline, from: segmentStart(id.segment, segmentSize), to: event.switchLsn })
    } else if (event.kind === 'coverage-gap') this.#toldGaps = [...this.#toldGaps, event]
  }

  /** Null until the store was listed. */
  get state(): CoverageState | null {
    const { archiverSnapshot: archiver, segmentSize, recordedGaps } = this.#shipping
    if (this.#listed === null || archiver === null || segmentSize === null) return null
    const { timeline, archived } = archiver
    // Before the archiver has looked nobody can tell a hole from what is about to be sent.
    if (archived === INVALID_LSN) return null
    const floor = segmentFloor(archived, segmentSize)
    const tail = floor < archived ? [{ timeline, from: floor, to: archived }] : []
    const held = joinRanges([...this.#held, ...tail])
    const accepted = joinRanges([...this.#listed.recordedGaps, ...recordedGaps])
    const furthest = held.filter((range) => range.timeline === timeline).at(-1)
    // Uploads run side by side: above the archiver's mark only that is a hole of which it has told.
    const onItsWay =
      furthest === undefined || furthest.to <= archived
        ? []
        : without({ timeline, from: archived, to: furthest.to }, this.#toldGaps)
    return { ...this.#listed, held, onItsWay, recordedGaps: accepted, commits: this.#commits }
  }

  async #watchTimes(): Promise<void> {
    const { signal } = this.#stop
    for (let waitMs = WAIT_FOR_ARCHIVE_MS; await sleep(waitMs, signal); ) {
      const { archive } = this.#shipping
      const { state } = this
      waitMs = WAIT_FOR_ARCHIVE_MS
      if (archive === null || state === null || !this.#timesAreOld) continue
      this.#timesAreOld = false
      waitMs = TIMES_INTERVAL_MS
      try {
        this.#commits = await commitWindow(archive, state, signal)
      } catch {
        // As with the list: the picture gets old.
        this.#timesAreOld = true
      }
    }
  }

  #add({ timeline, from, to }: LsnRange): void {
    this.#held = joinRanges([...this.#held, { timeline, from, to }])
    this.#sinceList = joinRanges([...this.#sinceList, { timeline, from, to }])
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    for (let waitMs = 0; await sleep(waitMs, signal); ) {
      const { archive } = this.#shipping
      if (archive === null) {
        waitMs = WAIT_FOR_ARCHIVE_MS
        continue
      }
      try {
        this.#sinceList = []
        const listed = await listCoverage(archive, signal)
        this.#listed = listed
        // What was held before and is not listed any more was pruned.
        this.#held = joinRanges([...listed.held, ...this.#sinceList])
        this.#timesAreOld = true
        waitMs = LIST_INTERVAL_MS
      } catch {
        // A store that is down shows in the uploads; here it only makes the picture old.
        waitMs = RETRY_MS
      }
    }
  }
}

/** The parts of a range that none of the others cover. */
function without(range: LsnRange, others: readonly LsnRange[]): LsnRange[] {
  return others.reduce<LsnRange[]>(
    (parts, other) =>
      parts.flatMap((part) =>
        other.timeline !== part.timeline
          ? [part]
          : [
              { ...part, to: lsnMin(part.to, other.from) },
              { ...part, from: lsnMax(part.from, other.to) },
            ].filter(({ from, to }) => from < to),
      ),
    [range],
  )
}
