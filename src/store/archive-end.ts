import {
  type Ancestor,
  type Lsn,
  lsnAdd,
  parseSegmentFileName,
  parseTimelineHistory,
  segmentFileName,
  segmentNumber,
  segmentStart,
} from '../wal/index.js'
import { historiesIn } from './archive-inventory.js'
import {
  behindSegment,
  GAP_FOLDER,
  parseGapKey,
  parseTailKey,
  parseWalKey,
  tailTimelineFolder,
  walFolder,
} from './archive-layout.js'
import { lastSegment } from './last-segment.js'
import type { ObjectStore, OperationOptions } from './object-store.js'
import { coveredEnd } from './tail-parts.js'

/** Where an archive ends. */
export interface ArchiveEnd {
  readonly timeline: number
  /** The first position that is not archived; tail parts count. */
  readonly lsn: Lsn
  /** End of the last finished segment before it; null when there is only a tail. */
  readonly segmentEnd: Lsn | null
}

/**
 * How far behind the newest segment a hole is looked for. Segments go up several at once, so a crash can
 * leave one missing before others that are there; far more than can be under way at once.
 */
const WINDOW = 1000n

/** What the search reads of an archive. */
export interface EndSearch {
  readonly store: ObjectStore
  readonly segmentSize: number
  getHistory(timeline: number, options: OperationOptions): Promise<Buffer | null>
}

/**
 * Finds where an archive ends: the position from which to receive on so that nothing is missing.
 *
 * On the newest timeline that holds WAL. When near its end a segment is missing, there or on the
 * timelines that lead to it, that is the end; holes that were recorded as accepted do not count.
 *
 * @param onTimeline look at this timeline only
 * @returns null when there is no WAL
 */
export async function findArchiveEnd(
  search: EndSearch,
  onTimeline: number | undefined,
  options: OperationOptions,
): Promise<ArchiveEnd | null> {
  const candidates = onTimeline === undefined ? await timelines(search.store, options) : [onTimeline]
  for (const timeline of candidates) {
    const end = await endOnTimeline(search, timeline, options)
    if (end !== null) return end
  }
  return null
}

/** All that can hold WAL, the newest first. */
async function timelines(store: ObjectStore, options: OperationOptions): Promise<number[]> {
  const found = new Set([1, ...(await historiesIn(store, options))])
  return [...found].sort((a, b) => b - a)
}

async function endOnTimeline(
  search: EndSearch,
  timeline: number,
  options: OperationOptions,
): Promise<ArchiveEnd | null> {
  const { store, segmentSize } = search
  const last = await lastSegment(store, timeline, segmentSize, options)
  const tails = await tailCoverage(store, timeline, segmentSize, options)
  const newest = [last, ...tails.keys()].reduce((a, b) => (a === null || (b !== null && b > a) ? b : a), null)
  if (newest === null) return null

  const line = await lineTo(search, timeline, options)
  const lowest = newest > WINDOW ? newest - WINDOW : 0n
  const finished = new Map<bigint, number>()
  for (const { timeline: older, from, to } of line) {
    if (to !== null && to <= lowest) continue
    const start = from > lowest ? from : lowest
    for await (const segment of finishedFrom(store, older, start, segmentSize, options)) {
      if (to !== null && segment >= to) break
      finished.set(segment, older)
    }
  }
  const isWhole = (segment: bigint) => finished.has(segment) || tails.get(segment) === segmentSize
  let begin = newest
  for (const segment of finished.keys()) if (segment < begin) begin = segment
  for (const segment of tails.keys()) if (segment < begin && segment >= lowest) begin = segment

  let next = begin
  const accepted = new AcceptedGaps(store, segmentSize, options)
  while (next <= newest && (isWhole(next) || (next < newest && (await accepted.cover(next))))) next += 1n
  const endTimeline = line.find(({ from, to }) => next >= from && (to === null || next < to))!.timeline
  const tail = endTimeline === timeline ? (tails.get(next) ?? 0) : 0
  let segmentEnd: Lsn | null = null
  for (let segment = next - 1n; segment >= begin && segmentEnd === null; segment -= 1n)
    if (finished.has(segment)) segmentEnd = segmentStart(segment + 1n, segmentSize)
  return { timeline: endTimeline, lsn: lsnAdd(segmentStart(next, segmentSize), tail), segmentEnd }
}

/** Bytes from the start that tail parts hold, by segment number; segments with none at the start are left out. */
async function tailCoverage(
  store: ObjectStore,
  timeline: number,
  segmentSize: number,
  options: OperationOptions,
): Promise<Map<bigint, number>> {
  const parts = new Map<bigint, { from: number; to: number }[]>()
  for await (const { key } of store.list(tailTimelineFolder(timeline), options)) {
    const part = parseTailKey(key)
    const name = part === null ? null : parseSegmentFileName(part.name, segmentSize)
    if (part === null || name === null) continue
    const known = parts.get(name.segment)
    if (known === undefined) parts.set(name.segment, [part])
    else known.push(part)
  }
  const covered = [...parts].map(([segment, list]) => [segment, coveredEnd(list)] as const)
  return new Map(covered.filter(([, end]) => end > 0))
}

/** A timeline's share of the WAL that leads to the newest one, in segment numbers; `to` is not in it. */
interface Stretch {
  readonly timeline: number
  readonly from: bigint
  readonly to: bigint | null
}

/**
 * A new timeline begins with the whole segment that holds the switch point, so the older one counts only
 * up to the segment before.
 */
async function lineTo(
  search: EndSearch,
  timeline: number,
  options: OperationOptions,
): Promise<readonly Stretch[]> {
  const content = timeline === 1 ? null : await search.getHistory(timeline, options)
  const ancestors: readonly Ancestor[] = (content === null ? null : parseTimelineHistory(content)) ?? []
  const line: Stretch[] = []
  let from = 0n
  for (const { timeline: older, switchPoint } of ancestors) {
    const to = segmentNumber(switchPoint, search.segmentSize)
    if (to > from) line.push({ timeline: older, from, to })
    from = to > from ? to : from
  }
  return [...line, { timeline, from, to: null }]
}

async function* finishedFrom(
  store: ObjectStore,
  timeline: number,
  start: bigint,
  segmentSize: number,
  options: OperationOptions,
): AsyncGenerator<bigint> {
  const after = start === 0n ? undefined : behindSegment(segmentFileName(timeline, start - 1n, segmentSize))
  for await (const { key } of store.list(walFolder(timeline), { ...options, after })) {
    const object = parseWalKey(key)
    const name = object === null ? null : parseSegmentFileName(object.name, segmentSize)
    if (name !== null) yield name.segment
  }
}

/** Holes that were accepted; read only when one is met. */
class AcceptedGaps {
  readonly #store: ObjectStore
  readonly #segmentSize: number
  readonly #options: OperationOptions
  #gaps: readonly { readonly from: Lsn; readonly to: Lsn }[] | null = null

  constructor(store: ObjectStore, segmentSize: number, options: OperationOptions) {
    this.#store = store
    this.#segmentSize = segmentSize
    this.#options = options
  }

  async cover(segment: bigint): Promise<boolean> {
    const start = segmentStart(segment, this.#segmentSize)
    const end = segmentStart(segment + 1n, this.#segmentSize)
    this.#gaps ??= await this.#read()
    return this.#gaps.some(({ from, to }) => from < end && to > start)
  }

  async #read() {
    const gaps = []
    for await (const { key } of this.#store.list(GAP_FOLDER, this.#options)) {
      const gap = parseGapKey(key)
      if (gap !== null) gaps.push(gap)
    }
    return gaps
  }
}
