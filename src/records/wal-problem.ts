import { formatLsn, type Lsn, segmentFileName, segmentNumber } from '../wal/index.js'

/** What can be wrong with WAL. Stable names: programs may rely on them. */
export type WalProblemKind =
  /** A page's magic number, flags or address: not the page that belongs here. */
  | 'page-header'
  /** A page of another cluster, or of a cluster of another shape. */
  | 'other-cluster'
  /** A page of a timeline that does not belong here. */
  | 'timeline'
  /** A record does not go on where it should, or something goes on that was never begun. */
  | 'continuation'
  /** A record's length or resource manager makes no sense. */
  | 'record-header'
  /** A record does not name the one before it. */
  | 'prev-link'
  /** A record's bytes are not those that were written. */
  | 'checksum'
  /** Nothing but zeros where there must be WAL. */
  | 'zeros'

/** One stretch of WAL that is not what a server wrote. */
export interface WalProblem {
  readonly kind: WalProblemKind
  /** Where the page or record that is wrong begins; recovery gets to here, not beyond. */
  readonly lsn: Lsn
  /** The WAL up to here had to be seen to find it: the end of a record whose checksum is wrong, for one. */
  readonly detectedAt: Lsn
  /** File name of the segment that holds `lsn`. */
  readonly segment: string
  /** What is wrong, with both values; lower case, no full stop. */
  readonly text: string
  readonly hint: string
  /** First record behind it that is whole again, once that was seen. */
  resumedAt: Lsn | null
}

const HINTS: Readonly<Record<WalProblemKind, string>> = {
  'page-header': 'the page was damaged or never written; compare the segment with another copy of it',
  'other-cluster': 'the file is not of this cluster; look who else writes there',
  timeline: 'the file is of another branch of the history; compare it with the history files',
  continuation: 'a page is missing, damaged or of another time; compare the segment with another copy of it',
  'record-header': 'the record was damaged; compare the segment with another copy of it',
  'prev-link':
    'WAL is missing before it, or it is of another time; compare the segment with another copy of it',
  checksum: 'bytes of the record have changed; compare the segment with another copy of it',
  zeros: 'a part of the segment was never written; compare the segment with another copy of it',
}

export function walProblem(
  kind: WalProblemKind,
  at: { lsn: Lsn; detectedAt: Lsn; timeline: number; segmentSize: number },
  text: string,
): WalProblem {
  return {
    kind,
    lsn: at.lsn,
    detectedAt: at.detectedAt,
    segment: segmentFileName(at.timeline, segmentNumber(at.lsn, at.segmentSize), at.segmentSize),
    text: `${text} at ${formatLsn(at.lsn)}`,
    hint: HINTS[kind],
    resumedAt: null,
  }
}
