import { WalshipError } from '../base/index.js'

/**
 * Why a file could not be fetched although it may well be in the archive. Never means "not there".
 *
 * Codes: `RESTORE_NO_ARCHIVE`, `RESTORE_OTHER_CLUSTER`, `RESTORE_NOT_A_WAL_FILE`, `RESTORE_CORRUPT`,
 * `RESTORE_TAIL_INCOMPLETE`, `RESTORE_CONTROL_FILE`, `RESTORE_TARGET`.
 */
export class RestoreError extends WalshipError {}
