import { type Lsn, parseTimelineHistory, segmentNumber, segmentOffset } from '../wal/index.js'
import type { SegmentId } from './catalog.js'
import type { LocalFiles } from './local-names.js'

/** The last segment of a timeline that was left. */
export interface LeftPartial extends SegmentId {
  /** Bytes from here on belong to no timeline that goes on. */
  readonly switchLsn: Lsn
}

/** A timeline and where it was left. */
export interface TimelineSwitch {
  readonly timeline: number
  readonly switchLsn: Lsn
}

/** The left segment of a switch; null when the timeline was left between two segments. */
export function leftPartial(
  { timeline, switchLsn }: TimelineSwitch,
  segmentSize: number,
): LeftPartial | null {
  if (segmentOffset(switchLsn, segmentSize) === 0) return null
  return { timeline, segment: segmentNumber(switchLsn, segmentSize), switchLsn }
}

/**
 * Partials in the directory whose timeline the receiver has left, found without having seen it:
 * a younger timeline's history names the switch within the segment, and the directory holds WAL of
 * that timeline from there on. Without the latter the partial may still be waiting for its rest.
 *
 * @param isDone archived already
 * @param history of a timeline, from the directory; null when it cannot be read
 */
export async function findLeftPartials(
  files: LocalFiles,
  segmentSize: number,
  isDone: (id: SegmentId) => boolean,
  history: (timeline: number) => Promise<Buffer | null>,
): Promise<LeftPartial[]> {
  const left: LeftPartial[] = []
  for (const partial of files.partials) {
    if (isDone(partial)) continue
    for (const younger of files.histories.filter((timeline) => timeline > partial.timeline)) {
      const content = await history(younger)
      const parent = content === null ? undefined : parseTimelineHistory(content)?.at(-1)
      if (parent?.timeline !== partial.timeline) continue
      const { timeline, switchPoint } = parent
      const found = leftPartial({ timeline, switchLsn: switchPoint }, segmentSize)
      if (found === null || found.segment !== partial.segment) continue
      if (!hasWalFrom(files, younger, partial.segment)) continue
      left.push(found)
      break
    }
  }
  return left
}

function hasWalFrom(files: LocalFiles, timeline: number, segment: bigint): boolean {
  const last = files.finished.get(timeline)?.last
  if (last !== undefined && last !== null && last >= segment) return true
  return files.partials.some((partial) => partial.timeline === timeline && partial.segment >= segment)
}
