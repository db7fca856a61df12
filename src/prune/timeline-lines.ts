import { type Ancestor, parseTimelineHistory, segmentNumber } from '../wal/index.js'
import type { PrunableFile, PrunableInventory } from './prunable-wal.js'

/** A timeline that WAL or a history file is kept of. */
export interface KeptTimeline {
  readonly timeline: number
  /** Oldest first; null when its history file is missing or no such file. */
  readonly ancestors: readonly Ancestor[] | null
  /** In the order of their segments; several of one segment are possible. */
  readonly files: readonly PrunableFile[]
}

/** A timeline's part of the way to some timeline's end, in segment numbers, both included. */
export interface Share {
  readonly timeline: number
  readonly from: bigint
  /** Null: as far as there is WAL. */
  readonly to: bigint | null
}

/**
 * The WAL that leads to the end of one timeline. Shares overlap in the segment of a switch: recovery reads it from the
 * younger timeline, and from the older one where the younger has none.
 * PostgreSQL: src/backend/access/transam/xlogrecovery.c (XLogFileReadAnyTLI).
 */
export interface Line {
  readonly timeline: number
  /** The oldest timeline first. */
  readonly shares: readonly Share[]
}

/** In the order of their numbers. */
export async function keptTimelines(
  { files, histories }: PrunableInventory,
  readHistory: (timeline: number) => Promise<Buffer | null>,
): Promise<KeptTimeline[]> {
  const numbers = new Set([...files.map(({ timeline }) => timeline), ...histories])
  const found: KeptTimeline[] = []
  for (const timeline of [...numbers].sort((a, b) => a - b)) {
    const content = timeline === 1 ? Buffer.alloc(0) : await readHistory(timeline)
    found.push({
      timeline,
      ancestors: content === null ? null : parseTimelineHistory(content),
      files: files.filter((file) => file.timeline === timeline).sort(bySegment),
    })
  }
  return found
}

export function lineTo({ timeline, ancestors }: KeptTimeline, segmentSize: number): Line {
  const shares: Share[] = []
  let from = 0n
  for (const { timeline: older, switchPoint } of ancestors ?? []) {
    const to = segmentNumber(switchPoint, segmentSize)
    shares.push({ timeline: older, from, to })
    from = to
  }
  return { timeline, shares: [...shares, { timeline, from, to: null }] }
}

/** True where a recovery to the end of the line comes through this segment of this timeline. */
export function leadsThrough({ shares }: Line, timeline: number, segment: bigint): boolean {
  return shares.some(
    (share) =>
      share.timeline === timeline && segment >= share.from && (share.to === null || segment <= share.to),
  )
}

/** The files that recovery reads on its way, one for each segment, oldest first. */
export function filesOfLine({ shares }: Line, timelines: readonly KeptTimeline[]): PrunableFile[] {
  const chosen = new Map<bigint, PrunableFile>()
  for (const share of shares) {
    const files = timelines.find(({ timeline }) => timeline === share.timeline)?.files ?? []
    for (const file of files) {
      if (file.segment < share.from || (share.to !== null && file.segment > share.to)) continue
      const other = chosen.get(file.segment)
      const isBetter =
        other === undefined ||
        file.timeline > other.timeline ||
        (file.timeline === other.timeline && RANK[file.kind] < RANK[other.kind])
      if (isBetter) chosen.set(file.segment, file)
    }
  }
  return [...chosen.values()].sort(bySegment)
}

/** The newest timeline that WAL is kept of: the one that is received, as far as names can tell. */
export function newestWithWal(timelines: readonly KeptTimeline[]): number | null {
  return timelines.filter(({ files }) => files.length > 0).at(-1)?.timeline ?? null
}

/** What a restore_command would bring first. */
const RANK = { segment: 0, tail: 1, partial: 2 } as const

function bySegment(a: PrunableFile, b: PrunableFile): number {
  return a.segment === b.segment ? RANK[a.kind] - RANK[b.kind] : a.segment < b.segment ? -1 : 1
}
