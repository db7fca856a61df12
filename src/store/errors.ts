import { WalshipError, type WalshipErrorOptions } from '../base/index.js'

/**
 * - `STORE_UNREACHABLE` no connection, no answer in time, or the store failed inside
 * - `STORE_THROTTLED` the store asks for fewer requests
 * - `STORE_DENIED` credentials missing, wrong or without the right
 * - `STORE_NO_BUCKET` the bucket or directory is not there
 * - `STORE_FULL` no room left
 * - `STORE_CORRUPT` what came back is not what was stored
 * - `STORE_WRONG_REGION` the bucket lives in another region
 * - `STORE_REJECTED` the store does not accept this request
 * - `STORE_CLOSED` used after `close`
 * - `STORE_OPTION` the URL or an option of the store makes no sense
 */
export type StoreErrorCode =
  | 'STORE_UNREACHABLE'
  | 'STORE_THROTTLED'
  | 'STORE_DENIED'
  | 'STORE_NO_BUCKET'
  | 'STORE_FULL'
  | 'STORE_CORRUPT'
  | 'STORE_WRONG_REGION'
  | 'STORE_REJECTED'
  | 'STORE_CLOSED'
  | 'STORE_OPTION'

/**
 * A store could not do what it was asked. All but `STORE_CLOSED` and `STORE_OPTION` are retryable:
 * someone can free space, grant a right or make a bucket while walship waits.
 */
export class StoreError extends WalshipError {
  declare readonly code: StoreErrorCode

  constructor(message: string, options: Omit<WalshipErrorOptions, 'retryable'> & { code: StoreErrorCode }) {
    super(message, {
      ...options,
      retryable: options.code !== 'STORE_CLOSED' && options.code !== 'STORE_OPTION',
    })
  }
}

/** What was being done when it failed. */
export interface StoreOperation {
  readonly verb: 'put' | 'get' | 'head' | 'list' | 'delete' | 'open'
  /** Key or prefix; empty for the store as a whole. */
  readonly key: string
  /** The store's name. */
  readonly store: string
}

const VERBS: Readonly<Record<StoreOperation['verb'], readonly [string, string]>> = {
  put: ['store', 'in'],
  get: ['read', 'from'],
  head: ['look up', 'in'],
  list: ['list', 'in'],
  delete: ['remove', 'from'],
  open: ['open', ''],
}

/** `could not store "wal/..." in s3://bucket: reason`. */
export function operationFailed(
  operation: StoreOperation,
  reason: string,
  options: Omit<WalshipErrorOptions, 'retryable'> & { code: StoreErrorCode },
): StoreError {
  const [verb, preposition] = VERBS[operation.verb]
  const what =
    operation.verb === 'open' ? operation.store : `"${operation.key}" ${preposition} ${operation.store}`
  return new StoreError(`could not ${verb} ${what}: ${reason}`, {
    ...options,
    context: { operation: operation.verb, key: operation.key, store: operation.store, ...options.context },
  })
}

/** Not what was stored, and not to be read either. */
export function tooLarge(operation: StoreOperation, size: number, maxSize: number): StoreError {
  return operationFailed(operation, `it has ${size} bytes, and at most ${maxSize} were stored`, {
    code: 'STORE_CORRUPT',
    hint: 'check what else writes to this place',
  })
}
