import { closeSync, openSync, readSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * The control file of the cluster that a target path belongs to, if there is one. A server passes
 * `pg_wal/RECOVERYXLOG` and runs the command in its data directory; pg_rewind passes an absolute path.
 *
 * @param target where a WAL file is to go
 * @param workingDirectory what a relative target is relative to
 */
export function controlFileFor(target: string, workingDirectory: string): string {
  // By the path's text and not where links lead: pg_wal itself is often a link to another disk.
  return resolve(workingDirectory, dirname(target), '..', 'global/pg_control')
}

/**
 * The system identifier in a control file, which begins with it, in the host's byte order.
 * PostgreSQL: src/include/catalog/pg_control.h (ControlFileData).
 *
 * @returns null when there is no such file
 * @throws the operating system's error, RangeError when the file is too short
 */
export function readSystemIdentifier(controlFile: string): bigint | null {
  const words = new BigUint64Array(1)
  let file: number
  try {
    file = openSync(controlFile, 'r')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw error
  }
  try {
    const count = readSync(file, words, 0, words.byteLength, 0)
    if (count !== words.byteLength) throw new RangeError('the file is too short')
  } finally {
    closeSync(file)
  }
  return words[0]!
}
