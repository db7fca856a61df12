import type { Backoff } from '../base/index.js'
import { parseSegmentFileName } from '../wal/index.js'
import type { ArchiveTarget } from './archive-target.js'
import { type ArchivedMarks, provedAtStart } from './archived-marks.js'
import type { Catalog } from './catalog.js'
import { nameOf } from './local-names.js'
import { RangeSet } from './range-set.js'
import type { StoreHealth } from './store-health.js'
import { coveringParts } from './tail-plan.js'
import { untilStored } from './until-stored.js'

export interface ArchiveInventoryOptions {
  readonly archive: ArchiveTarget
  /** bytes */
  readonly segmentSize: number
  readonly catalog: Catalog
  readonly health: StoreHealth
  readonly backoff: Backoff
  /** What an earlier run has noted. */
  readonly marks: ArchivedMarks
}

/**
 * What the archive holds of the segments that matter here: one list per timeline, from the oldest
 * local segment on, instead of a question per file.
 */
export class ArchiveInventory {
  readonly #options: ArchiveInventoryOptions
  readonly #taken = new Set<number>()

  constructor(options: ArchiveInventoryOptions) {
    this.#options = options
  }

  isTaken(timeline: number): boolean {
    return this.#taken.has(timeline)
  }

  /**
   * Enters into the catalog what need not be sent again of the segments of a timeline. The list begins
   * with the oldest local segment of this or an older timeline: what has left the directory meanwhile
   * lies between that one and the newer ones.
   */
  async take(timeline: number, signal: AbortSignal): Promise<void> {
    const { catalog, marks } = this.#options
    const sets = catalog.timelines.map((local) => ({ local, set: catalog.local(local) }))
    const firsts = sets.flatMap(({ local, set }) =>
      local <= timeline && set.first !== null ? [set.first] : [],
    )
    const lasts = sets.flatMap(({ set }) => (set.last !== null ? [set.last] : []))
    if (firsts.length > 0) {
      const from = firsts.reduce((a, b) => (b < a ? b : a))
      const last = lasts.reduce((a, b) => (b > a ? b : a))
      const listed = await this.list(timeline, from, last + 1n, signal)
      const noted = marks.segments.get(timeline) ?? new RangeSet()
      catalog.proveAll(timeline, provedAtStart(noted, listed))
    }
    this.#taken.add(timeline)
  }

  /** Enters which segments from `from` up to, not including, `to` the archive has. */
  async list(timeline: number, from: bigint, to: bigint, signal: AbortSignal): Promise<RangeSet> {
    const { archive, segmentSize, catalog, health, backoff } = this.#options
    const after = from === 0n ? undefined : nameOf({ timeline, segment: from - 1n }, segmentSize)
    const what = nameOf({ timeline, segment: from }, segmentSize)
    const listed = await untilStored(
      async () => {
        const found = new RangeSet()
        for await (const name of archive.listSegments(timeline, { after, signal })) {
          const id = parseSegmentFileName(name, segmentSize)
          if (id === null || id.segment < from) continue
          if (id.segment >= to) break
          found.add(id.segment)
        }
        return found
      },
      { what, health, backoff, signal },
    )
    catalog.list(timeline, listed)
    return listed
  }

  /**
   * Enters the segments from `from` on that the archive holds whole in parts, up to the first that it does not: a
   * receiver that died before such a one went up as a whole has left it so, and the next one may have begun behind it.
   */
  async listWholeTails(timeline: number, from: bigint, to: bigint, signal: AbortSignal): Promise<void> {
    const { archive, segmentSize, catalog, health, backoff } = this.#options
    for (let segment = from; segment < to; segment += 1n) {
      const parts = await untilStored(() => archive.listTailParts(timeline, segment, { signal }), {
        what: nameOf({ timeline, segment }, segmentSize),
        health,
        backoff,
        signal,
      })
      const listed = parts.map((part) => ({ ...part, generation: 0 }))
      if (coveringParts(listed).at(-1)?.to !== segmentSize) return
      const whole = new RangeSet()
      whole.add(segment)
      catalog.list(timeline, whole)
    }
  }
}
