import type { Ancestor, Lsn } from '../wal/index.js'

/** The timelines a page may be of, both included. */
export interface LineageRange {
  readonly lowest: number
  readonly highest: number
}

/**
 * Which timeline each page of a timeline's WAL is of. The segment in which a timeline begins is a copy of its
 * parent's up to there, and a page keeps the timeline on which it was begun.
 * PostgreSQL: src/backend/access/transam/xlog.c (XLogFileCopy, AdvanceXLInsertBuffer).
 */
export class Lineage {
  readonly timeline: number
  readonly #ancestors: readonly Ancestor[] | null

  /**
   * @param ancestors what the timeline's history file says, the oldest first; null when that is not known. Then
   *   a page may be of any timeline up to `timeline`, as long as it never goes back.
   */
  constructor(timeline: number, ancestors: readonly Ancestor[] | null) {
    this.timeline = timeline
    this.#ancestors = timeline === 1 ? [] : ancestors
  }

  /** @param seen timeline of the page before; 0 when there was none */
  rangeAt(page: Lsn, seen: number): LineageRange {
    if (this.#ancestors === null) return { lowest: Math.max(seen, 1), highest: this.timeline }
    const { timeline } = this.#ancestors.find(({ switchPoint }) => page < switchPoint) ?? this
    return { lowest: timeline, highest: timeline }
  }

  /** End of the stretch with the same answer, so that the next pages need not ask; null when it never ends. */
  changesAt(page: Lsn): Lsn | null {
    return this.#ancestors?.find(({ switchPoint }) => page < switchPoint)?.switchPoint ?? null
  }
}
