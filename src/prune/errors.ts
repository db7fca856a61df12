import { WalshipError } from '../base/index.js'

/**
 * - `PRUNE_NO_WAL` there is nothing to prune
 * - `PRUNE_BACKUP` what should tell of a base backup does not
 * - `PRUNE_RULE` a rule makes no sense here
 * - `PRUNE_SHIPPING` a receiver ships from this directory
 * - `PRUNE_REMOVE` a file could not be removed
 */
export type PruneErrorCode =
  | 'PRUNE_NO_WAL'
  | 'PRUNE_BACKUP'
  | 'PRUNE_RULE'
  | 'PRUNE_SHIPPING'
  | 'PRUNE_REMOVE'

export class PruneError extends WalshipError {
  declare readonly code: PruneErrorCode
}
