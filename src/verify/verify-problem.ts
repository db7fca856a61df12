import type { WalProblemKind } from '../records/index.js'
import type { Lsn } from '../wal/index.js'

/** What can be wrong with WAL that is kept. Stable names: programs may rely on them. */
export type VerifyProblemKind =
  | WalProblemKind
  /** A segment that must be there is not. */
  | 'missing'
  /** A finished segment that has not the size of one. */
  | 'length'
  /** A file or object that is there and cannot be read, or is not what was stored. */
  | 'unreadable'
  /** A history file is missing, cannot be read, or contradicts another one. */
  | 'history'

export interface VerifyProblem {
  readonly kind: VerifyProblemKind
  readonly timeline: number
  /** The first file concerned. */
  readonly segment: string
  /** A recovery gets to here, not beyond. For a history file the start of its timeline, as far as that is known. */
  readonly from: Lsn
  /** WAL is good again from here on; null when nothing good was seen behind it. */
  readonly to: Lsn | null
  /** Lower case, no full stop. */
  readonly text: string
  readonly hint: string
}
