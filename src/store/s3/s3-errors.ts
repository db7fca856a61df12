import { errnoOf, errnoText, WalshipError } from '../../base/index.js'
import { operationFailed, type StoreError, type StoreErrorCode, type StoreOperation } from '../errors.js'

/** The parts of an SDK error that matter here. */
export interface S3Failure {
  /** S3's error code such as `NoSuchKey`, or the name of a client-side error. */
  readonly name: string
  readonly message: string
  readonly $metadata?: {
    readonly httpStatusCode?: number
    readonly requestId?: string
    readonly extendedRequestId?: string
  }
}

export function isS3Failure(error: unknown): error is S3Failure & Error {
  return error instanceof Error && '$metadata' in error
}

export function statusOf(error: unknown): number | undefined {
  return isS3Failure(error) ? error.$metadata?.httpStatusCode : undefined
}

const BY_NAME: Readonly<Record<string, StoreErrorCode>> = {
  NoSuchBucket: 'STORE_NO_BUCKET',
  AccessDenied: 'STORE_DENIED',
  AccountProblem: 'STORE_DENIED',
  AllAccessDisabled: 'STORE_DENIED',
  CredentialsProviderError: 'STORE_DENIED',
  ExpiredToken: 'STORE_DENIED',
  InvalidAccessKeyId: 'STORE_DENIED',
  InvalidToken: 'STORE_DENIED',
  RequestTimeTooSkewed: 'STORE_DENIED',
  SignatureDoesNotMatch: 'STORE_DENIED',
  TokenProviderError: 'STORE_DENIED',
  TokenRefreshRequired: 'STORE_DENIED',
  SlowDown: 'STORE_THROTTLED',
  ReducedRequestRate: 'STORE_THROTTLED',
  RequestLimitExceeded: 'STORE_THROTTLED',
  ServiceUnavailable: 'STORE_THROTTLED',
  Throttling: 'STORE_THROTTLED',
  ThrottlingException: 'STORE_THROTTLED',
  TooManyRequests: 'STORE_THROTTLED',
  TooManyRequestsException: 'STORE_THROTTLED',
  QuotaExceeded: 'STORE_FULL',
  StorageFull: 'STORE_FULL',
  XMinioStorageFull: 'STORE_FULL',
  XMinioAdminBucketQuotaExceeded: 'STORE_FULL',
  BadDigest: 'STORE_CORRUPT',
  IncompleteBody: 'STORE_CORRUPT',
  XAmzContentSHA256Mismatch: 'STORE_CORRUPT',
  AuthorizationHeaderMalformed: 'STORE_WRONG_REGION',
  IllegalLocationConstraintException: 'STORE_WRONG_REGION',
  PermanentRedirect: 'STORE_WRONG_REGION',
  InvalidObjectState: 'STORE_REJECTED',
  RequestTimeout: 'STORE_UNREACHABLE',
  TimeoutError: 'STORE_UNREACHABLE',
}

const BY_STATUS: Readonly<Record<number, StoreErrorCode>> = {
  301: 'STORE_WRONG_REGION',
  307: 'STORE_UNREACHABLE',
  401: 'STORE_DENIED',
  403: 'STORE_DENIED',
  408: 'STORE_UNREACHABLE',
  429: 'STORE_THROTTLED',
  503: 'STORE_THROTTLED',
  507: 'STORE_FULL',
}

const HINTS_BY_NAME: Readonly<Record<string, string>> = {
  CredentialsProviderError: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role',
  RequestTimeTooSkewed: 'set the clock of this machine right',
  SignatureDoesNotMatch: 'check the secret key; a proxy that changes requests can be the reason too',
  InvalidObjectState: 'the object is in an archival storage class: restore it in S3 first',
  NotImplemented: 'the store does not know a feature that was asked for: see docs/object-stores.md',
}

const HINTS: Readonly<Partial<Record<StoreErrorCode, string>>> = {
  STORE_DENIED:
    'check the credentials and their rights; without s3:ListBucket a missing object looks like a forbidden one; see docs/object-stores.md',
  STORE_NO_BUCKET: 'make the bucket, or correct its name in the URL of the store',
  STORE_THROTTLED: 'nothing has to be done unless it lasts; fewer uploads at once help then',
  STORE_REJECTED:
    'check that the endpoint is an S3 service that knows the options in use: see docs/object-stores.md',
  STORE_CORRUPT: 'it was damaged on the way; a proxy that changes bodies can be the reason when it lasts',
  STORE_FULL: 'free some space in the store, or raise the quota',
  STORE_WRONG_REGION: 'give the region of the bucket by --s3-region',
  STORE_UNREACHABLE: 'check the endpoint and the network on the way to it',
}

const TLS_FAILURE = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

/**
 * What went wrong, as an error of ours. Without an answer of the service it is `STORE_UNREACHABLE`.
 * An error that is ours already stays as it is.
 */
export function s3StoreError(operation: StoreOperation, error: unknown): StoreError | WalshipError {
  if (error instanceof WalshipError) return error
  const failure = isS3Failure(error) ? error : undefined
  const name = error instanceof Error ? error.name : ''
  const status = failure?.$metadata?.httpStatusCode
  const code = BY_NAME[name] ?? (name.startsWith('KMS') ? 'STORE_DENIED' : byStatus(status))
  const errno = errnoOf(error) ?? ''
  const hint = TLS_FAILURE.test(errno)
    ? 'name the certificate authority of the endpoint by --s3-ca-file'
    : (HINTS_BY_NAME[name] ?? HINTS[code])
  return operationFailed(operation, reasonOf(error, name, status), {
    code,
    hint,
    context: {
      status,
      requestId: failure?.$metadata?.requestId,
      extendedRequestId: failure?.$metadata?.extendedRequestId,
    },
    cause: failure === undefined ? error : plainCause(failure),
  })
}

/** The SDK's error holds on to the request, with tokens and keys in its headers: they must not reach a log. */
function plainCause(failure: S3Failure & Error): Error {
  const cause = new Error(failure.message)
  cause.name = failure.name
  cause.stack = failure.stack
  return cause
}

function byStatus(status: number | undefined): StoreErrorCode {
  if (status === undefined || status < 300) return 'STORE_UNREACHABLE'
  return BY_STATUS[status] ?? (status >= 500 ? 'STORE_UNREACHABLE' : 'STORE_REJECTED')
}

function reasonOf(error: unknown, name: string, status: number | undefined): string {
  // Several addresses tried: the message of the whole is empty.
  if (error instanceof AggregateError && error.errors.length > 0) return errnoText(error.errors[0])
  const text = errnoText(error)
  if (status === undefined) return text === '' ? name : text
  const named = !/^(|Error|Unknown.*|[0-9]+)$/.test(name)
  const unspoken = text === '' || text === name || text.startsWith('Unknown')
  return `status ${status}${named ? ` ${name}` : ''}${unspoken ? '' : `: ${text}`}`
}

/** An answer with a status of success that cannot be what was asked for. */
export function senselessAnswer(operation: StoreOperation, what: string): StoreError {
  return operationFailed(operation, `the answer makes no sense: ${what}`, {
    code: 'STORE_UNREACHABLE',
    hint: 'check that the endpoint is an S3 service and that no proxy on the way answers in its place',
  })
}
