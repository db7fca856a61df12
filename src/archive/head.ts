import type { SegmentId } from './catalog.js'
import type { LocalDirectory } from './local-directory.js'
import { type LocalFiles, nameOf } from './local-names.js'
import { liveSegmentId, wasWrittenBy } from './open-segment-reader.js'
import type { LiveSegment } from './options.js'

/** Where the receiver is, or where it would go on. */
export interface Head {
  readonly timeline: number
  /** The segment behind the finished ones. */
  readonly segment: bigint
  /** The partial at the head that nobody is writing now. */
  readonly idlePartial: SegmentId | null
}

/**
 * Finds out from a listing of the directory where the finished segments end.
 *
 * @param live taken before the directory was listed, so that what was finished then is in the list
 * @returns null when there is nothing yet
 */
export async function findHead(
  live: LiveSegment | null,
  files: LocalFiles,
  directory: LocalDirectory,
): Promise<Head | null> {
  if (live === null) return idleHead(files)
  const id = liveSegmentId(live, directory.segmentSize)
  const before = { timeline: id.timeline, segment: id.segment - 1n }
  const listed = files.finished.get(id.timeline)?.has(before.segment) ?? false
  // The segment before may be on its way to its final name; a directory being read can miss it then.
  const isOurs = id.segment > 0n && wasWrittenBy(live, before, directory.segmentSize)
  const finishing = !listed && isOurs && (await isThere(before, directory))
  return { timeline: id.timeline, segment: finishing ? before.segment : id.segment, idlePartial: null }
}

/** As the receiver chooses its start: the highest segment, of these the youngest timeline, complete before partial. */
function idleHead(files: LocalFiles): Head | null {
  let head: Head | null = null
  const isLater = (id: SegmentId) => {
    if (head === null || id.segment > head.segment) return true
    return id.segment === head.segment && id.timeline >= head.timeline
  }
  for (const partial of files.partials) {
    if (isLater(partial)) head = { ...partial, idlePartial: partial }
  }
  for (const [timeline, segments] of files.finished) {
    const segment = segments.last
    if (segment === null || !isLater({ timeline, segment })) continue
    head = { timeline, segment: segment + 1n, idlePartial: null }
  }
  return head
}

async function isThere(id: SegmentId, directory: LocalDirectory): Promise<boolean> {
  const name = nameOf(id, directory.segmentSize)
  return (await directory.changedAt(`${name}.partial`)) !== null || (await directory.finishedAt(id)) !== null
}
