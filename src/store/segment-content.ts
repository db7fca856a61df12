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
  const digits = name.slice(0, 24)
  if (segmentFileName(parsed.timeline, parsed.segment, segmentSize) !== digits)
    throw wrongContent(name, `no segment of ${segmentSize} bytes has that name`)
  const isPartial = name.endsWith('.partial')
  if (raw.length > segmentSize || (raw.length < segmentSize && !isPartial))
    throw wrongContent(name, `it has ${raw.length} bytes, a segment has ${segmentSize}`)
  const head = Buffer.alloc(Math.min(LONG_PAGE_HEADER_SIZE, raw.length))
  await raw.read(head, 0)
  const header = parseLongPageHeader(head)
  if (header === null) return parsed
  if (String(header.systemIdentifier) !== systemIdentifier)
    throw otherCluster(`"${name}"`, String(header.systemIdentifier), systemIdentifier)
  if (header.segmentSize !== segmentSize)
    throw wrongContent(name, `its header tells of segments of ${header.segmentSize} bytes`)
  const start = segmentStart(parsed.segment, segmentSize)
  if (header.pageAddress !== start) {
    throw wrongContent(
      name,
      `its first page is that of ${formatLsn(header.pageAddress)}, not ${formatLsn(start)}`,
    )
  }
  return parsed
}
