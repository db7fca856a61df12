import type { Lsn } from '../wal/index.js'

/** A stretch of WAL that nobody has. */
export interface Gap {
  readonly timeline: number
  /** End of what the archive holds. */
  readonly from: Lsn
  /** Where streaming goes on. */
  readonly to: Lsn
  readonly reason: string
}

/**
 * What a receiver has to know of an archive that takes its files. A journey of its own; the two are
 * joined from outside.
 */
export interface ArchiveDoor {
  /** End of what the archive holds, its open tail included; null when it is empty. */
  findEnd(signal: AbortSignal): Promise<{ readonly timeline: number; readonly lsn: Lsn } | null>
  /** The cluster is known now: the archive checks that it is its own, or learns it, before the first byte. */
  identify(systemId: string, segmentSize: number, signal: AbortSignal): Promise<void>
  /** Called instead of failing when there is a gap; null: gaps are refused. */
  readonly recordGap: ((gap: Gap, signal: AbortSignal) => Promise<void>) | null
  /** Brings everything written so far into the archive before the server gets an answer it waits for. Bounded. */
  flush(): Promise<void>
}
