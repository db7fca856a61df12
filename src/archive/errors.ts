import { errnoOf, errnoText, WalshipError } from '../base/index.js'

/** Something about one local file that keeps it from being archived; the store is not to blame. */
export class LocalFileError extends WalshipError {}

export class ArchiveError extends WalshipError {}

const CONFLICT_CODE = 'ARCHIVE_CONFLICT'

/** The archive's answers that say the same however often it is asked, until somebody steps in. */
const REFUSALS: readonly string[] = [CONFLICT_CODE, 'ARCHIVE_OTHER_CLUSTER', 'ARCHIVE_WRONG_CONTENT']

/** The name is taken by other bytes. */
export function isConflict(error: unknown): boolean {
  return error instanceof WalshipError && error.code === CONFLICT_CODE
}

/** The archive does not take this, and the store is not to blame. */
export function isRefused(error: unknown): boolean {
  return error instanceof WalshipError && REFUSALS.includes(error.code)
}

/** Any failure of an upload in the one shape that events and status carry. */
export function asWalshipError(error: unknown, what: string): WalshipError {
  if (error instanceof WalshipError) return error
  const text = error instanceof Error ? error.message : String(error)
  return new ArchiveError(`could not archive "${what}": ${text}`, {
    code: 'ARCHIVE_UPLOAD_FAILED',
    hint: 'it is tried again; nothing is removed locally before it is archived',
    retryable: true,
    cause: error,
  })
}

export function fileMissing(name: string, cause?: unknown): LocalFileError {
  return new LocalFileError(`could not read file "${name}": it is not there any more`, {
    code: 'ARCHIVE_LOCAL_FILE_MISSING',
    hint: 'a file that was not archived yet was taken away: put it back into the directory; nothing else may remove files that walship has not archived',
    retryable: true,
    context: { file: name },
    cause,
  })
}

export function fileUnreadable(name: string, cause: unknown): LocalFileError {
  return new LocalFileError(`could not read file "${name}": ${errnoText(cause)}`, {
    code: 'ARCHIVE_LOCAL_FILE_UNREADABLE',
    hint: 'check the permissions of the file and the storage below the directory',
    retryable: true,
    context: { file: name, errno: errnoOf(cause) },
    cause,
  })
}

export function fileSizeWrong(name: string, size: number, segmentSize: number): LocalFileError {
  return new LocalFileError(`segment file "${name}" has incorrect size ${size}, skipping`, {
    code: 'ARCHIVE_LOCAL_FILE_SIZE_WRONG',
    hint: `a finished segment has ${segmentSize} bytes: find out where this file comes from before moving it away`,
    context: { file: name, size, segmentSize },
  })
}

export function notWal(name: string): LocalFileError {
  return new LocalFileError(`segment file "${name}" does not begin as WAL does`, {
    code: 'ARCHIVE_LOCAL_FILE_NOT_WAL',
    hint: 'compare it with the file in pg_wal of the server; when it was not received so, the disk below the directory is suspect, or somebody else writes there',
    context: { file: name },
  })
}

/** The bytes asked for are not there any more: the receiver has begun the file anew. */
export function fileChanged(name: string): LocalFileError {
  return new LocalFileError(`could not read file "${name}": it was begun anew meanwhile`, {
    code: 'ARCHIVE_LOCAL_FILE_CHANGED',
    hint: 'the bytes come again: this is tried again by itself',
    retryable: true,
    context: { file: name },
  })
}

/** What lies in the archive under the open segment is not what was received. */
export function tailConflict(name: string, from: number, to: number): ArchiveError {
  return new ArchiveError(
    `tail part ${from}-${to} of segment "${name}" in the archive differs from the bytes in the directory`,
    {
      code: CONFLICT_CODE,
      hint: 'two servers have written different WAL on one timeline, or two clusters share the archive: find out which one is right, and give the other another place. The part is not overwritten',
      context: { segment: name, from, to },
    },
  )
}
