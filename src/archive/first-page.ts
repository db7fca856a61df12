import type { Content } from '../codec/index.js'
import { formatLsn, LONG_PAGE_HEADER_SIZE, parseLongPageHeader, segmentStart } from '../wal/index.js'
import type { Marks } from './archive-target.js'
import type { SegmentId } from './catalog.js'
import { notWal } from './errors.js'
import type { ArchiveEvent } from './events.js'

/** What is done with a file of a segment's name and size that does not begin as WAL does. */
export type NotWalChoice = 'mark' | 'refuse'

/**
 * Looks at the first page of finished segments. Objects are never replaced: a file that is no WAL, put into the directory by
 * whoever or destroyed on its disk, takes the place of the segment in the archive for good.
 */
export class FirstPageCheck {
  readonly #choice: NotWalChoice
  readonly #onEvent: (event: ArchiveEvent) => void
  readonly #told = new Set<string>()

  constructor(choice: NotWalChoice, onEvent: (event: ArchiveEvent) => void) {
    this.#choice = choice
    this.#onEvent = onEvent
  }

  /**
   * @returns what to note with the object
   * @throws LocalFileError `ARCHIVE_LOCAL_FILE_NOT_WAL` when it is to be refused; what reading throws
   */
  async marksFor(name: string, { segment }: SegmentId, content: Content): Promise<Marks | undefined> {
    const head = Buffer.alloc(LONG_PAGE_HEADER_SIZE)
    await content.read(head, 0)
    if (parseLongPageHeader(head) !== null) return undefined
    const error = notWal(name)
    if (this.#choice === 'refuse') throw error
    if (!this.#told.has(name)) this.#onEvent({ kind: 'segment-not-wal', name, error })
    this.#told.add(name)
    return { 'wal-check': `page ${formatLsn(segmentStart(segment, content.length))}` }
  }
}
