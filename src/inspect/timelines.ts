import { type Ancestor, parseTimelineHistory, segmentNumber } from '../wal/index.js'
import type { KeptFile, KeptInventory, KeptWal } from './kept-wal.js'

/** A timeline that WAL is kept of. */
export interface Timeline {
  readonly timeline: number
  /** Oldest first; null when its history file is missing or no such file. */
  readonly ancestors: readonly Ancestor[] | null
  /** One for each segment, in order. */
  readonly files: readonly KeptFile[]
}

/** What a restore_command would bring first. */
const RANK = { segment: 0, tail: 1, partial: 2 } as const

/** @returns in the order of their numbers */
export async function readTimelines(
  kept: KeptWal,
  inventory: KeptInventory,
  signal: AbortSignal,
): Promise<Timeline[]> {
  const byTimeline = new Map<number, Map<bigint, KeptFile>>()
  for (const file of inventory.files) {
    const files = byTimeline.get(file.timeline) ?? new Map<bigint, KeptFile>()
    byTimeline.set(file.timeline, files)
    const other = files.get(file.segment)
    if (other === undefined || RANK[file.kind] < RANK[other.kind]) files.set(file.segment, file)
  }
  const timelines: Timeline[] = []
  for (const timeline of [...byTimeline.keys()].sort((a, b) => a - b)) {
    const content = timeline === 1 ? Buffer.alloc(0) : await kept.readHistory(timeline, signal)
    timelines.push({
      timeline,
      ancestors: content === null ? null : parseTimelineHistory(content),
      files: [...byTimeline.get(timeline)!.values()].sort((a, b) => (a.segment < b.segment ? -1 : 1)),
    })
  }
  return timelines
}

/**
 * The files that lead to the end of a timeline, as a recovery reads them: those of its ancestors up to the segment
 * that holds a switch point, which the younger timeline begins with.
 */
export function filesOfLine(
  timelines: readonly Timeline[],
  { ancestors, files }: Timeline,
  segmentSize: number,
): KeptFile[] {
  const line: KeptFile[] = []
  let from = 0n
  for (const ancestor of ancestors ?? []) {
    const to = segmentNumber(ancestor.switchPoint, segmentSize)
    const older = timelines.find((each) => each.timeline === ancestor.timeline)
    line.push(...(older?.files ?? []).filter(({ segment }) => segment >= from && segment < to))
    if (to > from) from = to
  }
  return [...line, ...files.filter(({ segment }) => segment >= from)]
}

/** Timelines from which none branches off. */
export function leaves(timelines: readonly Timeline[]): Timeline[] {
  const parents = new Set(timelines.map(({ ancestors }) => ancestors?.at(-1)?.timeline))
  return timelines.filter(({ timeline }) => !parents.has(timeline))
}
