import type { Lsn } from '../wal/index.js'

/** A segment that is kept, or what there is of one. */
export interface KeptFile {
  readonly name: string
  readonly timeline: number
  readonly segment: bigint
  /** `segment` is whole; `partial` and `tail` (an archive's parts of the open segment) end anywhere. */
  readonly kind: 'segment' | 'partial' | 'tail'
  /** What it takes where it is kept, in bytes. */
  readonly storedBytes?: number
}

export interface KeptInventory {
  /** bytes */
  readonly segmentSize: number
  readonly systemIdentifier: bigint
  readonly files: readonly KeptFile[]
  /** Holes that were accepted knowingly. */
  readonly gaps: readonly { readonly timeline: number; readonly from: Lsn; readonly to: Lsn }[]
}

/** An index as it was found, and the digest of the segment that it has to be of. */
export interface KeptIndex {
  readonly content: Buffer
  readonly segmentSha256: string
}

/** What this room needs of a place that keeps WAL: an archive or a directory. */
export interface KeptWal {
  /** For people. */
  readonly name: string
  /** @throws WalshipError when that cannot be found out, or there is no WAL */
  inventory(signal: AbortSignal): Promise<KeptInventory>
  /** The content; null when it is not there any more. */
  read(file: KeptFile, signal: AbortSignal): Promise<Buffer | null>
  readIndex(file: KeptFile, format: number, signal: AbortSignal): Promise<KeptIndex | null>
  readHistory(timeline: number, signal: AbortSignal): Promise<Buffer | null>
}
