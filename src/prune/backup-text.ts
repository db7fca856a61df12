import { type Lsn, lsnMax, parseLsn } from '../wal/index.js'
import { PruneError } from './errors.js'
import type { KnownBackup } from './prunable-wal.js'

const LSN = '([0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8})'

/**
 * Reads a backup_label, or the `.backup` file that the end of a backup leaves among the archived WAL.
 * PostgreSQL: src/backend/access/transam/xlogbackup.c (build_backup_content).
 *
 * @param name for people
 * @throws PruneError `PRUNE_BACKUP`
 */
export function backupFromLabel(text: string, name: string): KnownBackup {
  const [, start, file] =
    new RegExp(`^START WAL LOCATION: ${LSN} \\(file ([0-9A-F]{24})\\)`, 'm').exec(text) ?? []
  if (start === undefined || file === undefined) throw notABackup(name, 'it has no line START WAL LOCATION')
  const stop = new RegExp(`^STOP WAL LOCATION: ${LSN} `, 'm').exec(text)?.[1]
  // The line came with version 11; the file's name has it since ever.
  const timeline = /^START TIMELINE: ([0-9]{1,10})$/m.exec(text)?.[1]
  return {
    name,
    start: parseLsn(start),
    end: stop === undefined ? null : parseLsn(stop),
    timeline: timeline === undefined ? Number.parseInt(file.slice(0, 8), 16) : Number(timeline),
    systemIdentifier: null,
  }
}

/**
 * Reads a backup_manifest by its beginning and its end: a list of all files lies between them, and may be long.
 * The system identifier is in it since version 17.
 * PostgreSQL: src/backend/backup/backup_manifest.c.
 *
 * @param name for people
 * @throws PruneError `PRUNE_BACKUP`
 */
export function backupFromManifest(beginning: string, end: string, name: string): KnownBackup {
  const list = /"WAL-Ranges":\s*\[([^\]]*)\]/.exec(end)?.[1]
  if (list === undefined) throw notABackup(name, 'it has no WAL-Ranges')
  const ranges = [
    ...list.matchAll(
      new RegExp(`"Timeline":\\s*([0-9]+),\\s*"Start-LSN":\\s*"${LSN}",\\s*"End-LSN":\\s*"${LSN}"`, 'g'),
    ),
  ].map(([, timeline, from, to]) => ({
    timeline: Number(timeline),
    from: parseLsn(from!),
    to: parseLsn(to!),
  }))
  if (ranges.length === 0) throw notABackup(name, 'its WAL-Ranges are empty')
  const first = ranges.reduce((a, b) => (b.from < a.from ? b : a))
  const last = ranges.map(({ to }) => to).reduce<Lsn>(lsnMax, first.to)
  const identifier = /"System-Identifier":\s*([0-9]+)/.exec(beginning)?.[1]
  const systemIdentifier = identifier === undefined ? null : BigInt(identifier)
  return { name, start: first.from, end: last, timeline: first.timeline, systemIdentifier }
}

function notABackup(name: string, reason: string): PruneError {
  return new PruneError(`could not read a backup's start from "${name}": ${reason}`, {
    code: 'PRUNE_BACKUP',
    hint: "name the backup's directory, its backup_manifest, its backup_label, or the .backup file that its end left",
  })
}
