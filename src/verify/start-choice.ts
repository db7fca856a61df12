import { readFile } from 'node:fs/promises'
import { errnoText, WalshipError } from '../base/index.js'
import { parseTransaction, RecordReader } from '../records/index.js'
import { type Lsn, parseLsn, pgTimeToDate, segmentStart } from '../wal/index.js'
import { UnreadableFile, type WalFile, type WalInventory, type WalSource } from './wal-source.js'

/** Where a check begins. */
export type StartChoice =
  | { readonly kind: 'lsn'; readonly lsn: Lsn }
  /** Path of a backup_label or of a `.backup` history file. */
  | { readonly kind: 'backup'; readonly path: string }
  /** Before the first commit at or after this time. */
  | { readonly kind: 'time'; readonly time: Date }

/**
 * The position a check begins with.
 *
 * @throws WalshipError `VERIFY_BACKUP_FILE`, `VERIFY_START`
 */
export async function findStart(
  source: WalSource,
  inventory: WalInventory,
  choice: StartChoice,
  signal: AbortSignal,
): Promise<Lsn> {
  if (choice.kind === 'lsn') return choice.lsn
  if (choice.kind === 'backup') return backupStart(choice.path)
  return timeStart(source, inventory, choice.time, signal)
}

/** PostgreSQL: src/backend/access/transam/xlogbackup.c (build_backup_content). */
async function backupStart(path: string): Promise<Lsn> {
  const fail = (reason: string, cause?: unknown) =>
    new WalshipError(`could not read a backup's start from "${path}": ${reason}`, {
      code: 'VERIFY_BACKUP_FILE',
      hint: "name the backup's backup_label, or the .backup file that its end left in pg_wal",
      cause,
    })
  const text = await readFile(path, 'utf8').catch((error) => {
    throw fail(errnoText(error), error)
  })
  const start = /^START WAL LOCATION: ([0-9A-F]{1,8}\/[0-9A-F]{1,8}) /m.exec(text)?.[1]
  if (start === undefined) throw fail('it has no line START WAL LOCATION')
  return parseLsn(start)
}

/**
 * Commit times grow with positions, nearly: looks for the last segment of the newest timeline, or of its
 * ancestors, whose first commit is before the time.
 */
async function timeStart(
  source: WalSource,
  inventory: WalInventory,
  time: Date,
  signal: AbortSignal,
): Promise<Lsn> {
  const newest = new Map<bigint, WalFile>()
  for (const file of inventory.files) {
    const other = newest.get(file.segment)
    if (other === undefined || other.timeline < file.timeline) newest.set(file.segment, file)
  }
  const files = [...newest.values()].sort((a, b) => (a.segment < b.segment ? -1 : 1))
  let low = 0
  let high = files.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    let at = middle
    let found: Date | null = null
    for (; at < high && found === null; at++)
      found = await firstEndTime(source, inventory, files[at]!, signal)
    if (found !== null && found < time) low = at - 1 > low ? at - 1 : middle
    else high = middle
  }
  const start = files[low]
  if (start === undefined)
    throw new WalshipError('there is no segment to begin with', { code: 'VERIFY_START' })
  return segmentStart(start.segment, inventory.segmentSize)
}

const SLICE_BYTES = 128 * 1024

/** Of the first transaction that ends in a file; null when none does, or it cannot be read. */
async function firstEndTime(
  source: WalSource,
  { segmentSize, systemIdentifier }: WalInventory,
  file: WalFile,
  signal: AbortSignal,
): Promise<Date | null> {
  const bytes = await source.read(file, signal).catch((error) => {
    if (error instanceof UnreadableFile) return null
    throw error
  })
  if (bytes === null) return null
  let found: Date | null = null
  const options = { segmentSize, systemIdentifier, timeline: file.timeline }
  const reader = new RecordReader(options, (record) => {
    if (found !== null) return
    const ended = parseTransaction(record)
    if (ended !== null && ended.kind !== 'prepare') found = pgTimeToDate(ended.time)
  })
  const start = segmentStart(file.segment, segmentSize)
  for (let at = 0; at < bytes.length && found === null; at += SLICE_BYTES)
    reader.push((start + BigInt(at)) as Lsn, bytes.subarray(at, at + SLICE_BYTES))
  return found
}
