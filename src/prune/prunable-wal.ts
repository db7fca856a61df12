import type { Lsn } from '../wal/index.js'

/** Something that is kept under a segment's name. */
export interface PrunableFile {
  /** 24 digits, or these and `.partial`; in a directory with the suffix of its compression. */
  readonly name: string
  readonly timeline: number
  readonly segment: bigint
  /** `segment` is finished; `partial` and `tail` (an archive's parts of an open segment) end anywhere. */
  readonly kind: 'segment' | 'partial' | 'tail'
  /** What it takes where it is kept. */
  readonly storedBytes: number
  /** When it was stored, by the clock of whoever keeps it; null when that is not known. */
  readonly storedAt: Date | null
}

/** A hole that was accepted knowingly. */
export interface PrunableGap {
  readonly timeline: number
  readonly from: Lsn
  readonly to: Lsn
}

export interface PrunableInventory {
  /** bytes */
  readonly segmentSize: number
  readonly systemIdentifier: bigint
  readonly files: readonly PrunableFile[]
  /** Timelines whose history file is there. */
  readonly histories: readonly number[]
  readonly gaps: readonly PrunableGap[]
  /** Start positions of base backups that left their `.backup` file here. */
  readonly backups: readonly KnownBackup[]
}

/** A base backup, as far as WAL is concerned. */
export interface KnownBackup {
  /** For people: a path or a file name. */
  readonly name: string
  /** Where a recovery from it begins to read. */
  readonly start: Lsn
  /** Where it is consistent; null when that is not known. */
  readonly end: Lsn | null
  /** On which `start` lies; null when that is not known. */
  readonly timeline: number | null
  /** Of the cluster it was taken of; null when that is not known. */
  readonly systemIdentifier: bigint | null
}

/** A lock of the store's: until then, or until somebody takes it off. */
export type LockedUntil = Date | 'released'

/** A place that keeps WAL and can remove it: an archive or a directory. */
export interface PrunableWal {
  /** For people. */
  readonly name: string
  /** @throws WalshipError when that cannot be found out, or there is no WAL */
  inventory(signal: AbortSignal): Promise<PrunableInventory>
  /** @returns null when it is surely not there */
  readHistory(timeline: number, signal: AbortSignal): Promise<Buffer | null>
  /** @returns null when nothing hinders its removal */
  lockOf(file: PrunableFile | PrunableGap, signal: AbortSignal): Promise<LockedUntil | null>
  /** Removes the indexes of files that are about to go; where there are none, nothing. */
  removeIndexes(files: readonly PrunableFile[], signal: AbortSignal): Promise<void>
  /** What is not there any more is no error. */
  remove(file: PrunableFile, signal: AbortSignal): Promise<void>
  removeGap(gap: PrunableGap, signal: AbortSignal): Promise<void>
}
