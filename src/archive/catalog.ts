import { RangeSet } from './range-set.js'

/** One segment of one timeline. */
export interface SegmentId {
  readonly timeline: number
  readonly segment: bigint
}

/**
 * What is known about finished segments: which are in the directory, and which the archive has
 * proved to hold. What is in the directory and not proved is pending. Pure bookkeeping.
 */
export class Catalog {
  #local = new Map<number, RangeSet>()
  readonly #proved = new Map<number, RangeSet>()
  readonly #listed = new Map<number, RangeSet>()

  /** Timelines with a segment in the directory or proved, the oldest first. */
  get timelines(): number[] {
    const timelines = new Set([...this.#local.keys(), ...this.#proved.keys(), ...this.#listed.keys()])
    return [...timelines].sort((a, b) => a - b)
  }

  local(timeline: number): RangeSet {
    return this.#local.get(timeline) ?? new RangeSet()
  }

  /** Seen to be in the archive with the bytes that were received here. */
  proved(timeline: number): RangeSet {
    return this.#proved.get(timeline) ?? new RangeSet()
  }

  /** Proved, or only in the archive: there is nothing here to compare these with. */
  held(timeline: number): RangeSet {
    const held = new RangeSet(this.proved(timeline).ranges)
    held.addAll((this.#listed.get(timeline) ?? new RangeSet()).without(this.local(timeline)))
    return held
  }

  /** The directory was read: these are its finished segments. */
  setLocal(local: Map<number, RangeSet>): void {
    this.#local = local
  }

  addLocal({ timeline, segment }: SegmentId): void {
    addTo(this.#local, timeline).add(segment)
  }

  removeLocal({ timeline, segment }: SegmentId): void {
    this.#local.get(timeline)?.delete(segment)
  }

  /** The archive holds these bytes: it was seen, not assumed. */
  prove({ timeline, segment }: SegmentId): void {
    addTo(this.#proved, timeline).add(segment)
  }

  proveAll(timeline: number, segments: RangeSet): void {
    addTo(this.#proved, timeline).addAll(segments)
  }

  /** The archive has objects of these names. */
  list(timeline: number, segments: RangeSet): void {
    addTo(this.#listed, timeline).addAll(segments)
  }

  isProved({ timeline, segment }: SegmentId): boolean {
    return this.#proved.get(timeline)?.has(segment) ?? false
  }

  /** In the directory or in the archive. */
  isKnown(id: SegmentId): boolean {
    const { timeline, segment } = id
    if (this.isProved(id) || this.local(timeline).has(segment)) return true
    return this.#listed.get(timeline)?.has(segment) ?? false
  }

  /** In the directory and not known to be in the archive. */
  pending(timeline: number): RangeSet {
    return this.local(timeline).without(this.proved(timeline))
  }

  get pendingCount(): number {
    return this.timelines.reduce((sum, timeline) => sum + this.pending(timeline).size, 0)
  }

  /** The one to send first: of the oldest timeline, the oldest. */
  get oldestPending(): SegmentId | null {
    for (const timeline of this.timelines) {
      const segment = this.pending(timeline).first
      if (segment !== null) return { timeline, segment }
    }
    return null
  }
}

function addTo(sets: Map<number, RangeSet>, timeline: number): RangeSet {
  const found = sets.get(timeline)
  if (found !== undefined) return found
  const made = new RangeSet()
  sets.set(timeline, made)
  return made
}
