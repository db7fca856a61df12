import type { GapRange, StoredIndex } from '../store/index.js'
import type { Lsn } from '../wal/index.js'
import type { FilePieces } from './file-pieces.js'

/** A segment, or what there is of one. */
export interface WalFile {
  /** Of the file or object, without the suffix of an archive's compression. */
  readonly name: string
  readonly timeline: number
  readonly segment: bigint
  /** `segment` must be whole; `partial` and `tail` (an archive's parts of the open segment) may end anywhere. */
  readonly kind: 'segment' | 'partial' | 'tail'
  /** What it takes where it is kept, in bytes; left out when that is not known. */
  readonly storedBytes?: number
}

/** What is there, before anything is read. */
export interface WalInventory {
  /** bytes */
  readonly segmentSize: number
  readonly systemIdentifier: bigint
  readonly files: readonly WalFile[]
  /** Timelines whose history file is there. */
  readonly histories: readonly number[]
  /** Holes that were accepted knowingly. */
  readonly gaps: readonly GapRange[]
  /** Files of a server that it made ready for later, and that hold no WAL of their place yet. */
  readonly unused: number
}

/** A place that holds WAL: a directory or an archive. Used from several threads, each with one of its own. */
export interface WalSource extends AsyncDisposable {
  /** For people. */
  readonly name: string
  /** @throws WalshipError when that cannot be found out */
  inventory(signal: AbortSignal): Promise<WalInventory>
  /**
   * The content of a file. The memory may be used again two reads later.
   *
   * @returns null when it is not there any more
   * @throws UnreadableFile when it is there, and is not what was stored
   */
  read(file: WalFile, signal: AbortSignal): Promise<Buffer | null>
  /**
   * The same piece by piece, where that is quicker.
   *
   * @returns null when it is not there any more; undefined: only `read` will do
   * @throws UnreadableFile; the pieces throw the operating system's error
   */
  openPieces?(file: WalFile): FilePieces | null | undefined
  /** What was noted of a finished segment's content; null when nothing was. */
  readIndex(file: WalFile, format: number, signal: AbortSignal): Promise<StoredIndex | null>
  /** @returns null when there is none */
  readHistory(timeline: number, signal: AbortSignal): Promise<Buffer | null>
}

/** Tells of one file; the others can still be checked. */
export class UnreadableFile extends Error {
  readonly hint: string

  constructor(reason: string, hint: string, cause?: unknown) {
    super(reason, { cause })
    this.hint = hint
  }
}

/** How to open a source, in a form that can be sent to a thread. */
export type WalSourceSpec =
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 'archive'
      readonly url: string
      /** As given on the command line, see parseStoreOptions. */
      readonly values: Readonly<Record<string, string | boolean | undefined>>
      readonly environment: Readonly<Record<string, string | undefined>>
    }

/** A stretch of WAL: `to` is not in it. */
export interface WalRange {
  readonly from: Lsn
  readonly to: Lsn
}
