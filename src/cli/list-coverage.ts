import type { CoverageState, LsnRange } from '../status/index.js'
import { joinRanges } from '../status/index.js'
import type { WalArchive } from '../store/index.js'
import {
  lsnAdd,
  parseSegmentFileName,
  parseTimelineHistory,
  segmentNumber,
  segmentStart,
} from '../wal/index.js'

/** Lists of names become ranges before they grow long. */
const JOIN_EVERY = 1000

/**
 * What an archive holds, by its lists: one request for a thousand segments.
 *
 * @throws StoreError
 */
export async function listCoverage(archive: WalArchive, signal?: AbortSignal): Promise<CoverageState> {
  const { segmentSize } = archive.identity!
  const end = await archive.findEnd({ signal })
  const history = end === null ? null : await archive.getHistory(end.timeline, { signal })
  const ancestors = ((history === null ? null : parseTimelineHistory(history)) ?? []).map(
    ({ timeline, switchPoint }) => ({ timeline, switchLsn: switchPoint }),
  )
  const timelines = [...ancestors.map(({ timeline }) => timeline), ...(end === null ? [] : [end.timeline])]
  let held: LsnRange[] = []
  let names = 0
  for (const timeline of timelines) {
    const left = ancestors.find((ancestor) => ancestor.timeline === timeline)?.switchLsn
    for await (const name of archive.listSegments(timeline, { signal })) {
      const id = parseSegmentFileName(name.slice(0, 24), segmentSize)
      if (id === null) continue
      const from = segmentStart(id.segment, segmentSize)
      const to = name.endsWith('.partial') ? left : lsnAdd(from, segmentSize)
      if (to === undefined || to <= from) continue
      held.push({ timeline, from, to })
      names += 1
      if (names % JOIN_EVERY === 0) held = joinRanges(held)
    }
  }
  if (end !== null) {
    const from = segmentStart(segmentNumber(end.lsn, segmentSize), segmentSize)
    if (end.lsn > from) held.push({ timeline: end.timeline, from, to: end.lsn })
  }
  return {
    listedAt: new Date(),
    held: joinRanges(held),
    onItsWay: [],
    recordedGaps: await archive.listGaps({ signal }),
    ancestors,
    commits: null,
  }
}
