import type { Lsn } from '../wal/index.js'

/** Where a stream begins. */
export interface StartPoint {
  /** Start of a segment. */
  readonly lsn: Lsn
  readonly timeline: number
  /**
   * What said so. `server` with a slot named means that the slot's position was not to be had: WAL from
   * before the start that the slot may have kept is not received.
   */
  readonly origin: 'directory' | 'archive' | 'slot' | 'server' | 'next-timeline'
}
