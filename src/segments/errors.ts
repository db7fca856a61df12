import { errnoOf, errnoText, WalshipError } from '../base/index.js'
import { formatLsn, type Lsn, segmentOffset } from '../wal/index.js'

/**
 * Every error of the local directory, its words in one place. Where pg_receivewal has a text for
 * the case, that text is the message.
 *
 * All may be tried again, since another file, more space or a mounted volume may be there later, but
 * a failed fsync may not: the kernel has then dropped what it could not write, and a second fsync
 * would report success for bytes that are lost.
 */
export class WalFileError extends WalshipError {}

const SPACE_HINT = 'free space in the target directory; streaming resumes where it stopped'

function hintFor(cause: unknown): string {
  switch (errnoOf(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return SPACE_HINT
    case 'EIO':
      return 'check the storage of the target directory: the operating system reports a device error'
    case 'EROFS':
      return 'mount the file system of the target directory writable'
    case 'EACCES':
    case 'EPERM':
      return 'give the user that runs the receiver write access to the target directory and its files'
    case 'ENOENT':
    case 'ENOTDIR':
      return 'check that the target directory exists and that its volume is mounted'
    case 'EMFILE':
    case 'ENFILE':
      return 'raise the limit of open files (ulimit -n)'
    default:
      return 'check the target directory and the storage below it'
  }
}

function failure(code: string, what: string, cause: unknown, file: string, retryable = true): WalFileError {
  return new WalFileError(`${what}: ${errnoText(cause)}`, {
    code,
    hint: hintFor(cause),
    retryable,
    context: { file, errno: errnoOf(cause) },
    cause,
  })
}

export function directoryError(directory: string, cause: unknown): WalFileError {
  return failure('DIRECTORY_OPEN_FAILED', `could not open directory "${directory}"`, cause, directory)
}

export function openError(file: string, existing: boolean, cause: unknown): WalFileError {
  const what = `could not open ${existing ? 'existing ' : ''}write-ahead log file "${file}"`
  return failure('WAL_FILE_OPEN_FAILED', what, cause, file)
}

/** @param segment the name without any suffix, as pg_receivewal prints it here */
export function writeError(segment: string, byteCount: number, cause: unknown): WalFileError {
  const what = `could not write ${byteCount} bytes to WAL file "${segment}"`
  return failure('WAL_FILE_WRITE_FAILED', what, cause, segment)
}

export function syncError(file: string, cause: unknown): WalFileError {
  return failure('WAL_FILE_SYNC_FAILED', `could not fsync file "${file}"`, cause, file, false)
}

export function isSyncFailure(error: unknown): boolean {
  return error instanceof WalFileError && error.code === 'WAL_FILE_SYNC_FAILED'
}

export function closeError(file: string, cause: unknown): WalFileError {
  return failure('WAL_FILE_CLOSE_FAILED', `could not close file "${file}"`, cause, file)
}

export function renameError(from: string, to: string, cause: unknown): WalFileError {
  return failure('WAL_FILE_RENAME_FAILED', `could not rename file "${from}" to "${to}"`, cause, from)
}

export function historyError(file: string, cause: unknown): WalFileError {
  const what = `could not write timeline history file "${file}"`
  return failure('HISTORY_FILE_WRITE_FAILED', what, cause, file)
}

/** An open partial that is larger than a segment can be. */
export function sizeError(file: string, size: number, segmentSize: number): WalFileError {
  const bytes = size === 1 ? '1 byte' : `${size} bytes`
  return new WalFileError(`write-ahead log file "${file}" has ${bytes}, should be 0 or ${segmentSize}`, {
    code: 'WAL_FILE_SIZE_WRONG',
    hint: 'nobody but this receiver may write here; move the file away after looking at where it comes from',
    retryable: true,
    context: { file, size, segmentSize },
  })
}

/** Nothing keeps a second receiver out. */
export function directoryUnlocked(directory: string, reason: string, cause: unknown): WalFileError {
  const missing = errnoOf(cause) === 'ENOENT'
  return new WalFileError(
    `directory "${directory}" is not locked: ${missing ? 'there is no program flock' : reason}`,
    {
      code: 'DIRECTORY_NOT_LOCKED',
      hint: 'see to it that no second process receives into it; flock is a part of util-linux',
      context: { directory },
      cause,
    },
  )
}

/** Bytes that do not follow the ones before. */
export function gapError(received: Lsn, expected: Lsn, segmentSize: number, fileOpen: boolean): WalFileError {
  const offset = segmentOffset(received, segmentSize)
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0')
  const message =
    fileOpen || offset === 0
      ? `got WAL data offset ${hex(offset)}, expected ${hex(segmentOffset(expected, segmentSize))}`
      : `received write-ahead log record for offset ${offset} with no file open`
  return new WalFileError(message, {
    code: 'WAL_GAP',
    hint: `nothing was written: ${formatLsn(received)} came where ${formatLsn(expected)} was due; reconnect to stream the segment again`,
    retryable: true,
    context: { received: formatLsn(received), expected: formatLsn(expected) },
  })
}

/** A file met while looking for where to start that cannot be examined. The scan is not tried again. */
export function scanError(what: string, file: string, cause: unknown, reason?: string): WalFileError {
  return new WalFileError(`${what} "${file}": ${reason ?? errnoText(cause)}`, {
    code: 'SEGMENT_SCAN_FAILED',
    hint: 'move the file out of the target directory, or make it readable',
    context: { file, errno: errnoOf(cause) },
    cause,
  })
}
