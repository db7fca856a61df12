import { readdirSync, statSync, unlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { errnoOf, errnoText, writeFileDurably } from '../base/index.js'
import { RestoreError } from './errors.js'

/** A temporary file this old belongs to nobody any more, in milliseconds. */
const ABANDONED_AFTER_MS = 10 * 60_000

/**
 * Puts a file at the path PostgreSQL asked for: complete, durable and under its name, or not at all.
 *
 * @throws RestoreError `RESTORE_TARGET`
 */
export async function writeTarget(target: string, content: Uint8Array): Promise<void> {
  removeAbandoned(target)
  const temporaryName = `${basename(target)}.walship-${process.pid}.tmp`
  try {
    await writeFileDurably(target, content, { mode: 0o600, temporaryName })
  } catch (error) {
    throw targetError(target, error)
  }
}

export function targetError(target: string, cause: unknown): RestoreError {
  return new RestoreError(`could not write file "${target}": ${errnoText(cause)}`, {
    code: 'RESTORE_TARGET',
    hint: targetHint(errnoOf(cause)),
    cause,
  })
}

function targetHint(errno: string | undefined): string {
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return 'make room on the file system of pg_wal'
  if (errno === 'ENOENT' || errno === 'ENOTDIR')
    return 'the server passes a path relative to its data directory: write %p in restore_command, without quotes around two words'
  return 'check the permissions of the directory, and that its file system is healthy'
}

/** A fetch that is killed leaves its temporary file; pg_wal must not fill up with them. */
function removeAbandoned(target: string): void {
  const directory = dirname(target)
  const prefix = `${basename(target)}.walship-`
  try {
    for (const name of readdirSync(directory)) {
      if (!name.startsWith(prefix) || !name.endsWith('.tmp')) continue
      const path = join(directory, name)
      if (Date.now() - statSync(path).mtimeMs > ABANDONED_AFTER_MS) unlinkSync(path)
    }
  } catch {
    // What is really wrong with the directory shows when the target is written.
  }
}
