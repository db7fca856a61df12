import type { Content } from '../codec/index.js'
import {
  formatLsn,
  LONG_PAGE_HEADER_SIZE,
  parseLongPageHeader,
  parseSegmentFileName,
  type SegmentName,
  segmentFileName,
  segmentStart,
} from '../wal/index.js'
import { otherCluster, wrongContent } from './archive-errors.js'
import { isArchivedName } from './archive-layout.js'
import type { ArchiveIdentity } from './cluster-identity.js'

/**
 * Makes sure that bytes can be the segment of that name of that cluster, before any of them is sent: a
 * directory can hold left-overs of another cluster. A first page that is no header is not judged here.
 *
 * @param name 24 digits, or these and `.partial`
 * @throws WalArchiveError `ARCHIVE_WRONG_CONTENT`, `ARCHIVE_OTHER_CLUSTER`
 */
export async function checkSegment(
  name: string,
  raw: Content,
  identity: ArchiveIdentity,
): Promise<SegmentName> {
  const { segmentSize, systemIdentifier } = identity
  const parsed = isArchivedName(name) ? parseSegmentFileName(name.slice(0, 24), segmentSize) : null
  if (parsed === null) throw new TypeError(`"${name}" is not the name of a WAL segment`)
  const head = Buffer.alloc(Math.min(LONG_PAGE_HEADER_SIZE, raw.length))
  if (raw.length <= segmentSize) await raw.read(head, 0)
  const found = parseLongPageHeader(head)?.systemIdentifier
  if (
    found !== undefined &&
    String(found) !== systemIdentifier &&
    sizeFault(name, raw.length, identity) === null
  )
    throw otherCluster(`"${name}"`, String(found), systemIdentifier)
  const fault = segmentFault(name, head, raw.length, identity)
  if (fault !== null) throw wrongContent(name, fault)
  return parsed
}

/**
 * Why bytes cannot be the segment of that name of that cluster, as far as its length and its first page tell; null when
 * they can be.
 *
 * @param name 24 digits, or these and `.partial`
 * @param head the first bytes, at least a page header if there are so many
 * @param length of the whole, in bytes
 */
export function segmentFault(
  name: string,
  head: Buffer,
  length: number,
  identity: ArchiveIdentity,
): string | null {
  const { segmentSize, systemIdentifier } = identity
  const fault = sizeFault(name, length, identity)
  const header = parseLongPageHeader(head)
  if (fault !== null || header === null) return fault
  if (String(header.systemIdentifier) !== systemIdentifier)
    return `it is of the cluster with system identifier ${header.systemIdentifier}`
  if (header.segmentSize !== segmentSize) return `its header tells of segments of ${header.segmentSize} bytes`
  const start = segmentStart(parseSegmentFileName(name.slice(0, 24), segmentSize)!.segment, segmentSize)
  return header.pageAddress === start
    ? null
    : `its first page is that of ${formatLsn(header.pageAddress)}, not ${formatLsn(start)}`
}

function sizeFault(name: string, length: number, { segmentSize }: ArchiveIdentity): string | null {
  const digits = name.slice(0, 24)
  const { timeline, segment } = parseSegmentFileName(digits, segmentSize)!
  if (segmentFileName(timeline, segment, segmentSize) !== digits)
    return `no segment of ${segmentSize} bytes has that name`
  const isPartial = name.endsWith('.partial')
  return length > segmentSize || (length < segmentSize && !isPartial)
    ? `it has ${length} bytes, a segment has ${segmentSize}`
    : null
}
