/**
 * The door of the room, in two halves. What serves a segment from the spool is loaded with it, and is little: the
 * caller of a prefetched segment waits for each file. All else is loaded when it is called for the first time.
 */
import type { PrefetchOptions } from './prefetcher.js'
import type { RestoreAnswer, RestoreRequest } from './restore-file.js'

export { controlFileFor, readSystemIdentifier } from './data-directory.js'
export type { RestoreError } from './errors.js'
export type { PrefetchOptions } from './prefetcher.js'
export type { RestoreArchive } from './restore-archive.js'
export type { RestoreAnswer, RestoreRequest } from './restore-file.js'
export { Spool } from './spool.js'
export { SpoolLock } from './spool-lock.js'

/**
 * Brings one file from an archive to where PostgreSQL wants it, complete, verified and durable, or not at all.
 *
 * @returns `missing` only when the archive answered, is the right one, and has no such file
 * @throws RestoreError, WalArchiveError and StoreError for every doubt
 */
export async function restoreFile(request: RestoreRequest): Promise<RestoreAnswer> {
  return (await import('./restore-file.js')).restoreFile(request)
}

/**
 * Keeps the segments behind the one asked for last ready in a spool, until there is nothing more to do.
 *
 * @param signal ends it
 * @throws RestoreError, WalArchiveError, StoreError, and what the disk says
 */
export async function prefetch(options: PrefetchOptions, signal: AbortSignal): Promise<void> {
  const { Prefetcher } = await import('./prefetcher.js')
  return new Prefetcher(options).run(signal)
}
