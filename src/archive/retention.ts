import type { Catalog, SegmentId } from './catalog.js'
import type { KeepLocal } from './options.js'

/**
 * Finished segments that may leave the directory, of each timeline the oldest first: the archive was seen to hold
 * them, and no rule keeps them. The newest finished segment is never among them: it is where the
 * receiver goes on after a restart.
 *
 * @param finishedAt milliseconds since the epoch when a segment was finished; asked only for an age rule
 */
export async function segmentsToRemove(
  catalog: Catalog,
  keep: KeepLocal,
  finishedAt: (id: SegmentId) => Promise<number | null>,
  now: number,
): Promise<SegmentId[]> {
  const kept = Math.max(1, keep.segments ?? 1)
  const { ageMs } = keep
  const leaving: SegmentId[] = []
  for (const timeline of catalog.timelines) {
    for (const segment of catalog.local(timeline).within(catalog.proved(timeline))) {
      const id = { timeline, segment }
      if (newerThan(id, catalog) < kept) break
      if (ageMs !== undefined) {
        const finished = await finishedAt(id)
        // Files are finished in order, so those that follow are no older.
        if (finished !== null && now - finished < ageMs) break
      }
      leaving.push(id)
    }
  }
  return leaving
}

/** How many segments in the directory were streamed after this one. */
function newerThan(id: SegmentId, catalog: Catalog): number {
  return catalog.timelines.reduce((sum, timeline) => {
    const from = timeline > id.timeline ? id.segment : id.segment + 1n
    return sum + catalog.local(timeline).countFrom(from)
  }, 0)
}
