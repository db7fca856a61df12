import { errnoOf, errnoText, WalshipError } from '../base/index.js'
import { operationFailed, type StoreErrorCode, type StoreOperation } from './errors.js'

const CODES: Readonly<Record<string, StoreErrorCode>> = {
  EACCES: 'STORE_DENIED',
  EPERM: 'STORE_DENIED',
  EROFS: 'STORE_DENIED',
  ENOSPC: 'STORE_FULL',
  EDQUOT: 'STORE_FULL',
  EFBIG: 'STORE_FULL',
}

const HINTS: Readonly<Partial<Record<StoreErrorCode, string>>> = {
  STORE_DENIED: 'let the user that walship runs as read and write in that directory',
  STORE_FULL: 'free some space there, or raise the quota',
  STORE_UNREACHABLE: 'check that the file system is mounted and healthy',
}

/** An operating system's error as the store's; an error that is ours already stays as it is. */
export function fileStoreError(operation: StoreOperation, error: unknown): unknown {
  if (error instanceof WalshipError || errnoOf(error) === undefined) return error
  const code = CODES[errnoOf(error)!] ?? 'STORE_UNREACHABLE'
  return operationFailed(operation, errnoText(error), { code, hint: HINTS[code], cause: error })
}
