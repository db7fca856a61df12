import type { WalshipError } from '../base/index.js'
import type { Lsn } from '../wal/index.js'

/** What an archiver tells while it runs. */
export type ArchiveEvent =
  /** A finished segment is in the archive; `end` is its end. `already-there`: the same bytes were in it. */
  | {
      readonly kind: 'segment-archived'
      readonly name: string
      readonly timeline: number
      readonly end: Lsn
      readonly outcome: 'stored' | 'already-there'
      readonly durationMs: number
    }
  | { readonly kind: 'history-archived'; readonly name: string; readonly timeline: number }
  /** The last segment of a timeline that was left, cut at the switch. */
  | { readonly kind: 'partial-archived'; readonly name: string; readonly switchLsn: Lsn }
  /** New bytes of the open segment. */
  | { readonly kind: 'tail-archived'; readonly timeline: number; readonly from: Lsn; readonly to: Lsn }
  /** Small parts became one. */
  | { readonly kind: 'tail-merged'; readonly timeline: number; readonly from: Lsn; readonly to: Lsn }
  /** Uploads began to fail; they are tried again for ever. Once per outage. */
  | { readonly kind: 'store-failing'; readonly error: WalshipError }
  /** Every upload that had failed has got through. */
  | { readonly kind: 'store-recovered'; readonly failures: number; readonly durationMs: number }
  /** The archive holds other bytes under the name. The file stays and is tried again rarely. Once per file. */
  | { readonly kind: 'segment-conflict'; readonly name: string; readonly error: WalshipError }
  /** This file cannot be archived although the store works. It is tried again. Once per file. */
  | { readonly kind: 'segment-failing'; readonly name: string; readonly error: WalshipError }
  /** A finished segment's file is no WAL, and goes into the archive with a mark. Once per file. */
  | { readonly kind: 'segment-not-wal'; readonly name: string; readonly error: WalshipError }
  /** Segments that are neither in the directory nor in the archive: the coverage has a hole. */
  | { readonly kind: 'coverage-gap'; readonly timeline: number; readonly from: Lsn; readonly to: Lsn }
  /** A timeline's history file is neither in the directory nor in the archive. */
  | { readonly kind: 'history-missing'; readonly timeline: number }
  /** A local file that the archive holds was removed by the retention rule. */
  | { readonly kind: 'segment-removed'; readonly name: string }
  /** Something that costs comfort, not data, such as a file that could not be removed. */
  | { readonly kind: 'warning'; readonly error: WalshipError }
