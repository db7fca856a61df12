import { open, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { errnoOf, errnoText } from '../base/index.js'
import { backupFromLabel, backupFromManifest } from './backup-text.js'
import { PruneError } from './errors.js'
import type { KnownBackup } from './prunable-wal.js'

const BEGINNING_BYTES = 4096
/** Checksum and ranges are at the end; there is a range for each timeline that the backup came through. */
const END_BYTES = 64 * 1024
/** No label is longer. */
const LABEL_LIMIT = 64 * 1024

/**
 * Where a base backup begins, and where it is consistent.
 *
 * @param path its directory, its backup_manifest, its backup_label, or a `.backup` file
 * @throws PruneError `PRUNE_BACKUP`
 */
export async function readBackup(path: string): Promise<KnownBackup> {
  try {
    if (!(await stat(path)).isDirectory()) return await readBackupFile(path)
    // The manifest says where the backup ends too. It lies beside base.tar when that is how the backup was made.
    for (const name of ['backup_manifest', 'backup_label']) {
      const found = await readBackupFile(join(path, name)).catch((error) => {
        if (errnoOf(error) === 'ENOENT') return null
        throw error
      })
      if (found !== null) return { ...found, name: path }
    }
  } catch (error) {
    if (error instanceof PruneError) throw error
    throw unreadable(path, errnoText(error), error)
  }
  throw unreadable(path, 'it has neither a backup_manifest nor a backup_label')
}

async function readBackupFile(path: string): Promise<KnownBackup> {
  if (!basename(path).endsWith('backup_manifest')) {
    if ((await stat(path)).size > LABEL_LIMIT) throw unreadable(path, 'it is too long for a backup_label')
    return backupFromLabel(await readFile(path, 'utf8'), path)
  }
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const text = async (from: number, length: number) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, from)
      return buffer.toString('utf8', 0, bytesRead)
    }
    const end = await text(Math.max(0, size - END_BYTES), END_BYTES)
    return backupFromManifest(await text(0, BEGINNING_BYTES), end, path)
  } finally {
    await file.close()
  }
}

function unreadable(path: string, reason: string, cause?: unknown): PruneError {
  return new PruneError(`could not read a backup's start from "${path}": ${reason}`, {
    code: 'PRUNE_BACKUP',
    hint: "name the backup's directory, its backup_manifest, its backup_label, or the .backup file that its end left",
    cause,
  })
}
