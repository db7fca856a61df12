import type { Backoff } from '../base/index.js'
import type { ContentReading } from '../codec/index.js'
import type { Lsn } from '../wal/index.js'
import type { ArchiveTarget, Marks } from './archive-target.js'
import type { ArchiveEvent } from './events.js'
import type { NotWalChoice } from './first-page.js'

export interface ArchiverOptions {
  /** The receiver's directory. */
  readonly directory: string
  readonly archive: ArchiveTarget
  /** bytes */
  readonly segmentSize: number
  /** Segments on the way at once. Default 4; fewer when segments are so large that memory would suffer. */
  readonly uploads?: number
  /** Milliseconds between two looks at the open segment for new bytes; 0: no live tail (`ack` 'flushed' only). */
  readonly tailIntervalMs: number
  /** 'archived': somebody waits for every byte, so parts go up as soon as bytes are there. */
  readonly ack: 'flushed' | 'archived'
  /** Tail parts on the way at once with `ack` 'archived'. Default 3. */
  readonly partsInFlight?: number
  /** What stays in the directory once it is archived; null: everything. */
  readonly keepLocal: KeepLocal | null
  /** What to note with a segment's object, by the segment's name. */
  marksOf?(name: string): Marks | undefined
  /** What is done with finished segments that do not begin as WAL does. By default they are not looked at. */
  readonly notWal?: NotWalChoice
  /** What reads a finished segment while it is packed, by the segment's name. */
  readingOf?(name: string): ContentReading | undefined
  /** The open segment now; null while nothing is received. Cheap: asked often. */
  live(): LiveSegment | null
  /**
   * All WAL of the timeline (and of those that lead to it) below `lsn` is in the archive, from where
   * this run's coverage begins.
   */
  onArchived(lsn: Lsn, timeline: number): void
  onEvent(event: ArchiveEvent): void
  /** Waits between failed attempts. Default 0.5 s doubling to 30 s. */
  readonly backoff?: Backoff
  /** Milliseconds between two looks into the directory, should no one nudge. Default 5000. */
  readonly lookIntervalMs?: number
  /** Milliseconds until a file in conflict is tried again. Default 300000. */
  readonly conflictRetryMs?: number
}

/** A file leaves when every rule given lets it go; the newest finished segment always stays. */
export interface KeepLocal {
  /** Finished segments that stay, the newest. */
  readonly segments?: number
  /** Milliseconds that a finished segment stays. */
  readonly ageMs?: number
}

/** A snapshot of the receiver's writer. */
export interface LiveSegment {
  readonly timeline: number
  /** First byte of the segment. */
  readonly segmentStart: Lsn
  /** Uncompressed file to read from; a hidden name while the segment before is being completed. */
  readonly partialName: string
  /** End of what the file holds. */
  readonly written: Lsn
  /**
   * Differs from writer to writer. A new one may begin the file anew: bytes read from it are good
   * only if the writer was the same before and after.
   */
  readonly writer: number
  /** Where the writer began: the start of a segment, at `segmentStart` or before. */
  readonly streamStart: Lsn
}

export const DEFAULT_UPLOADS = 4
export const DEFAULT_PARTS_IN_FLIGHT = 3
export const DEFAULT_BACKOFF: Backoff = { initialMs: 500, maxMs: 30_000 }
export const DEFAULT_LOOK_INTERVAL_MS = 5000
export const DEFAULT_CONFLICT_RETRY_MS = 5 * 60_000

/** Memory that segments on the way may take, before compression. */
const UPLOAD_MEMORY_LIMIT = 256 * 1024 * 1024

/** How many segments may be in memory at once. */
export function uploadLimit(uploads: number, segmentSize: number): number {
  return Math.max(1, Math.min(uploads, Math.floor(UPLOAD_MEMORY_LIMIT / segmentSize)))
}
