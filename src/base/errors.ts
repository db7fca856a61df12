/**
 * The one error shape of walship. Every failure that reaches a person carries
 * what was tried on which thing (the message), a stable code for programs, a
 * hint that is a next step, and the cause it came from.
 */
export interface WalshipErrorOptions {
  /** Stable, documented identifier such as `SEGMENT_WRITE_FAILED`. */
  readonly code: string
  /** A next step for the person who reads it. */
  readonly hint?: string
  /** True only where trying the same thing again later can help. Default false. */
  readonly retryable?: boolean
  /** Facts for logs and programs; never secrets. */
  readonly context?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

export class WalshipError extends Error {
  readonly code: string
  readonly hint: string | undefined
  readonly retryable: boolean
  readonly context: Readonly<Record<string, unknown>>

  constructor(message: string, options: WalshipErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = options.code
    this.hint = options.hint
    this.retryable = options.retryable ?? false
    this.context = options.context ?? {}
  }
}

/** The `errno` name (`ENOSPC`, `ECONNRESET`, ...) of an operating system error, if it is one. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return undefined
}

const ERRNO_TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EBUSY: 'Device or resource busy',
  ECONNABORTED: 'Software caused connection abort',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EDQUOT: 'Disk quota exceeded',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EHOSTUNREACH: 'No route to host',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENETUNREACH: 'Network is unreachable',
  ENFILE: 'Too many open files in system',
  ENODEV: 'No such device',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENXIO: 'No such device or address',
  EPERM: 'Operation not permitted',
  EPIPE: 'Broken pipe',
  EROFS: 'Read-only file system',
  ESTALE: 'Stale file handle',
  ETIMEDOUT: 'Connection timed out',
  ETXTBSY: 'Text file busy',
}

/** What strerror(3) says for an error, as PostgreSQL's own tools print it; else the error's message. */
export function errnoText(error: unknown): string {
  const errno = errnoOf(error)
  if (errno !== undefined && ERRNO_TEXTS[errno] !== undefined) return ERRNO_TEXTS[errno]
  return error instanceof Error ? error.message : String(error)
}
