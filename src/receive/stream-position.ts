import type { Lsn } from '../wal/index.js'

/** Where a stream begins. */
export interface StartPoint {
  /** Start of a segment. */
  readonly lsn: Lsn
  readonly timeline: number
}
