import {
  LONG_PAGE_HEADER_SIZE,
  parseLongPageHeader,
  parseSegmentFileName,
  segmentStart,
} from '../wal/index.js'

/** How many bytes of a segment's beginning {@link segmentFault} looks at. */
export const SEGMENT_HEAD_SIZE = LONG_PAGE_HEADER_SIZE

/**
 * What is wrong with a file that is to be served as a segment: a look at its length and at its first
 * page's header, which names the segment's position and the cluster it is from. Cheap enough for every
 * use, and it keeps a short, foreign or misplaced file away from a server, which would take it for
 * the end of WAL.
 *
 * @param name 24 digits
 * @param head at least the first {@link SEGMENT_HEAD_SIZE} bytes
 * @param length of the whole file, in bytes
 * @param systemIdentifier of the cluster that asks; null when that is not known
 * @returns null when nothing is wrong
 */
export function segmentFault(
  name: string,
  head: Uint8Array,
  length: number,
  systemIdentifier: bigint | null,
): string | null {
  const header = parseLongPageHeader(head)
  if (header === null) return 'it does not begin with a WAL page header'
  if (length !== header.segmentSize) return `it has ${length} bytes, a segment has ${header.segmentSize}`
  const parsed = parseSegmentFileName(name, header.segmentSize)
  if (parsed === null || segmentStart(parsed.segment, header.segmentSize) !== header.pageAddress)
    return 'its page header is that of another segment'
  // A segment that begins before a promotion carries the older timeline, never a newer one.
  if (header.timeline > parsed.timeline) return 'its page header is that of a newer timeline'
  if (systemIdentifier !== null && header.systemIdentifier !== systemIdentifier)
    return `it is from the cluster with system identifier ${header.systemIdentifier}`
  return null
}
