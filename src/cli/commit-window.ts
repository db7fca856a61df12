import { indexedCommits } from '../inspect/index.js'
import { type CommitWindow, type CoverageState, joinRanges, windowOf } from '../status/index.js'
import type { WalArchive } from '../store/index.js'
import { pgTimeToDate, segmentFileName, segmentNumber } from '../wal/index.js'

/** Segments looked at, from each end of the window, for one with a commit. */
const LOOKS = 16

/**
 * The times that the recovery window covers, by the indexes at its ends: few requests, whatever its length.
 *
 * @returns null where no index near an end tells
 * @throws StoreError
 */
export async function commitWindow(
  archive: WalArchive,
  coverage: CoverageState,
  signal: AbortSignal,
): Promise<CommitWindow | null> {
  const { segmentSize } = archive.identity!
  const window = windowOf(joinRanges(coverage.held), coverage.ancestors)
  if (window === null) return null
  const first = segmentNumber(window.from, segmentSize)
  // Of the open segment there is no index.
  const end = segmentNumber(window.to, segmentSize)
  const kept = {
    readIndex: (file: { readonly name: string }, format: number) =>
      archive.getIndex(file.name, format, { signal }),
  }
  const commitsIn = async (segment: bigint) => {
    const timeline = timelineAt(segment, window.timeline, coverage.ancestors, segmentSize)
    const name = segmentFileName(timeline, segment, segmentSize)
    return indexedCommits(kept, { name, timeline, segment, kind: 'segment' }, signal)
  }
  let earliest: bigint | null = null
  for (let segment = first; segment < end && segment < first + BigInt(LOOKS) && earliest === null; segment++)
    earliest = (await commitsIn(segment))?.first ?? null
  let latest: bigint | null = null
  for (
    let segment = end - 1n;
    segment >= first && segment >= end - BigInt(LOOKS) && latest === null;
    segment--
  )
    latest = (await commitsIn(segment))?.last ?? null
  if (earliest === null || latest === null) return null
  return { from: pgTimeToDate(earliest), to: pgTimeToDate(latest) }
}

/** The one that recovery reads the segment from: a younger timeline begins with the segment of its switch. */
function timelineAt(
  segment: bigint,
  newest: number,
  ancestors: CoverageState['ancestors'],
  segmentSize: number,
): number {
  const older = ancestors.find(({ switchLsn }) => segment < segmentNumber(switchLsn, segmentSize))
  return older?.timeline ?? newest
}
