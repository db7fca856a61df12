import { isSegmentFileName, parseSegmentFileName, segmentFileName } from '../wal/index.js'
import type { SegmentId } from './catalog.js'
import { RangeSet } from './range-set.js'

/** What a directory listing holds for the archive. */
export interface LocalFiles {
  /** Finished segments by timeline, whatever their compression. */
  readonly finished: Map<number, RangeSet>
  /** Open or left segments that are not compressed. */
  readonly partials: readonly SegmentId[]
  /** Timelines whose history file is there. */
  readonly histories: readonly number[]
}

/** Extensions that a local file may have from a run that compressed locally. */
export const LOCAL_EXTENSIONS = ['', '.gz', '.lz4'] as const

/** Sorts the names of a directory; names that are no WAL are left out. */
export function sortLocalNames(names: readonly string[], segmentSize: number): LocalFiles {
  const numbers = new Map<number, bigint[]>()
  const partials: SegmentId[] = []
  const histories = new Set<number>()
  for (const name of names) {
    const history = /^([0-9A-F]{8})\.history(\.gz|\.lz4)?$/.exec(name)
    if (history !== null) {
      histories.add(Number.parseInt(history[1]!, 16))
      continue
    }
    const id = parseSegmentFileName(name.slice(0, 24), segmentSize)
    if (id === null) continue
    const suffix = name.slice(24)
    if (suffix === '.partial') partials.push(id)
    if (!LOCAL_EXTENSIONS.some((extension) => extension === suffix)) continue
    const list = numbers.get(id.timeline)
    if (list === undefined) numbers.set(id.timeline, [id.segment])
    else list.push(id.segment)
  }
  const finished = new Map<number, RangeSet>()
  for (const [timeline, list] of numbers) finished.set(timeline, RangeSet.of(list.sort(ascending)))
  partials.sort((a, b) => a.timeline - b.timeline || ascending(a.segment, b.segment))
  return { finished, partials, histories: [...histories].sort((a, b) => a - b) }
}

/** The segment of a finished file's name, with or without an extension; null for any other name. */
export function finishedSegment(name: string, segmentSize: number): SegmentId | null {
  const suffix = name.slice(24)
  if (!isSegmentFileName(name.slice(0, 24))) return null
  if (!LOCAL_EXTENSIONS.some((extension) => extension === suffix)) return null
  return parseSegmentFileName(name.slice(0, 24), segmentSize)
}

export function nameOf({ timeline, segment }: SegmentId, segmentSize: number): string {
  return segmentFileName(timeline, segment, segmentSize)
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
