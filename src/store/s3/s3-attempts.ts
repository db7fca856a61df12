import { type Backoff, backoffDelayMs, sleep } from '../../base/index.js'
import { operationFailed, StoreError, type StoreOperation } from '../errors.js'
import { s3StoreError, statusOf } from './s3-errors.js'

/** The short loop inside one operation; the long wait for a store that is down is the caller's. */
const BACKOFF: Backoff = { initialMs: 100, maxMs: 5_000 }

/** Failures that the next try may well not meet. */
const TRANSIENT = new Set(['STORE_UNREACHABLE', 'STORE_THROTTLED', 'STORE_CORRUPT'])

export interface S3Attempts {
  /** Tries in all, 1 or more. */
  readonly attempts: number
  /** For one try; 0 is no limit. */
  readonly requestTimeoutMs: number
}

/**
 * Runs one request and its answer's body, again after a failure that may pass. Each try ends on the
 * caller's signal and at the time limit.
 *
 * @param run gets a signal for its own try
 * @throws StoreError of the last try; the caller's reason when its signal ended it
 */
export async function tryS3<Result>(
  operation: StoreOperation,
  { attempts, requestTimeoutMs }: S3Attempts,
  signal: AbortSignal | undefined,
  run: (abortSignal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await limited(operation, requestTimeoutMs, signal, run)
    } catch (error) {
      signal?.throwIfAborted()
      const failure = s3StoreError(operation, error)
      if (!(failure instanceof StoreError) || !isTransient(failure, error) || attempt >= attempts)
        throw failure
      await sleep(backoffDelayMs(BACKOFF, attempt), signal)
      signal?.throwIfAborted()
    }
  }
}

async function limited<Result>(
  operation: StoreOperation,
  requestTimeoutMs: number,
  signal: AbortSignal | undefined,
  run: (abortSignal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted()
  const controller = new AbortController()
  const onAbort = () => controller.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  let timedOut = false
  const timer =
    requestTimeoutMs === 0
      ? undefined
      : setTimeout(() => {
          timedOut = true
          controller.abort()
        }, requestTimeoutMs)
  try {
    return await run(controller.signal)
  } catch (error) {
    if (!timedOut) throw error
    throw operationFailed(operation, `not done within ${requestTimeoutMs / 1000} s`, {
      code: 'STORE_UNREACHABLE',
      hint: 'give a slow store more time by --s3-request-timeout',
      cause: error,
    })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

function isTransient(failure: StoreError, cause: unknown): boolean {
  const name = cause instanceof Error ? cause.name : ''
  // Another write of the same key was under way; or, when the clock was off, the SDK has learned by how much.
  if (statusOf(cause) === 409 || name === 'RequestTimeTooSkewed') return true
  return TRANSIENT.has(failure.code)
}
