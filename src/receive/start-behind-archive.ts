import { findRunStart, findStreamingStart } from '../segments/index.js'
import { formatLsn, type Lsn, segmentFloor } from '../wal/index.js'
import type { ArchiveDoor } from './archive-door.js'
import { asWalshipError, ReceiveError } from './errors.js'
import type { ReceiveEvent } from './events.js'
import type { ServerFacts } from './server-facts.js'
import { branchLeft, type ServerLine } from './server-line.js'
import type { StartPoint } from './stream-position.js'

export interface BehindArchiveOptions {
  readonly directory: string
  readonly facts: ServerFacts
  readonly walWasRemoved: boolean
  /** Null: nobody looks at the server's history. */
  readonly line: ServerLine | null
  readonly leftBranch: 'refuse' | 'follow' | undefined
  readonly signal: AbortSignal
  onEvent(event: ReceiveEvent): void
}

/**
 * Where to go on so that the archive gets no hole.
 *
 * @param local where the directory's files end, if it has any
 * @param fallback the slot's position, else the server's
 * @throws ReceiveError `RECEIVE_GAP` when WAL between the archive's end and the start can no longer be
 *   had and the archive's door does not record gaps
 */
export async function startBehindArchive(
  archive: ArchiveDoor,
  local: StartPoint | null,
  fallback: () => Promise<StartPoint>,
  options: BehindArchiveOptions,
): Promise<StartPoint> {
  const { segmentSize } = options.facts
  let end: { readonly timeline: number; readonly lsn: Lsn } | null
  try {
    end = await archive.findEnd(options.signal)
  } catch (error) {
    // Receiving goes on while the store is down; without files of our own nothing says where.
    if (local === null) throw error
    options.onEvent({ kind: 'warning', error: asWalshipError(error) })
    return local
  }
  if (end === null) return local ?? (await fallback())
  let archived: StartPoint = {
    lsn: segmentFloor(end.lsn, segmentSize),
    timeline: end.timeline,
    origin: 'archive',
  }
  const branch = options.line?.branchOf(end) ?? null
  if (options.line !== null && branch !== null) {
    if (options.leftBranch === 'refuse') throw branchLeft(branch)
    if (local === null) options.onEvent({ kind: 'branch-left', ...branch })
    // What is archived up to the switch is held; what follows is not part of what is received now.
    end = { timeline: end.timeline, lsn: branch.switchLsn }
    archived = { ...options.line.behind(branch), origin: 'archive' }
  }
  const goesOn = local !== null && local.lsn >= archived.lsn
  if (goesOn) await checkRun(archive, end, local.lsn, { ...options, segmentSize })
  if (!options.walWasRemoved) return goesOn ? local : archived
  // What is only in the directory is not missing.
  const held = goesOn && local.lsn > end.lsn ? { ...local, place: 'directory' } : { ...end, place: 'archive' }
  const start = await fallback()
  if (start.lsn > held.lsn)
    await acceptGap(archive, held, start.lsn, 'the server has removed the WAL', options)
  else if (goesOn) return local
  return start
}

/**
 * What a start leaves out while the store does not answer: whether the directory goes on where the archive ends. To
 * be done before the first file goes into the archive, and so before the server hears that anything is in it: else it
 * would remove WAL that nobody has.
 *
 * @throws ReceiveError `RECEIVE_GAP` as at a start
 */
export async function checkBehindArchive(
  archive: ArchiveDoor,
  directory: string,
  segmentSize: number,
  signal: AbortSignal,
): Promise<void> {
  const end = await archive.findEnd(signal)
  const { start } = await findStreamingStart(directory, segmentSize)
  if (end === null || start === null || start.lsn < segmentFloor(end.lsn, segmentSize)) return
  await checkRun(archive, end, start.lsn, { directory, segmentSize, signal })
}

/** @param to where the directory's files end */
async function checkRun(
  archive: ArchiveDoor,
  end: { readonly timeline: number; readonly lsn: Lsn },
  to: Lsn,
  options: { readonly directory: string; readonly segmentSize: number; readonly signal: AbortSignal },
): Promise<void> {
  const runStart = await findRunStart(options.directory, options.segmentSize, to)
  if (runStart > end.lsn)
    await acceptGap(
      archive,
      { ...end, place: 'archive' },
      runStart,
      'files are missing in the directory',
      options,
    )
}

async function acceptGap(
  archive: ArchiveDoor,
  end: { readonly timeline: number; readonly lsn: Lsn; readonly place: string },
  to: Lsn,
  reason: string,
  options: { readonly directory: string; readonly signal: AbortSignal },
): Promise<void> {
  if (archive.recordGap !== null) {
    await archive.recordGap({ timeline: end.timeline, from: end.lsn, to, reason }, options.signal)
    return
  }
  throw new ReceiveError(
    `the ${end.place} ends at ${formatLsn(end.lsn)} (timeline ${end.timeline}), and WAL is only to be had from ${formatLsn(to)} on: ${reason}`,
    {
      code: 'RECEIVE_GAP',
      hint: `put the missing files into "${options.directory}" if another place has them; or take a new base backup and go on with --allow-gap`,
      context: { from: formatLsn(end.lsn), to: formatLsn(to), timeline: end.timeline },
    },
  )
}
