import type { PhysicalReplicationConnection } from '../pg/index.js'
import { findStreamingStart } from '../segments/index.js'
import { formatLsn, segmentFloor } from '../wal/index.js'
import type { ArchiveDoor } from './archive-door.js'
import { commandFailed, ReceiveError } from './errors.js'
import type { ReceiveEvent } from './events.js'
import type { ServerFacts } from './server-facts.js'
import { branchLeft, ServerLine } from './server-line.js'
import { startBehindArchive } from './start-behind-archive.js'
import type { StartPoint } from './stream-position.js'

export interface StartPointOptions {
  readonly directory: string
  readonly slotName: string | undefined
  /** Set where the files go on into an archive. */
  readonly archive: ArchiveDoor | undefined
  /** The server has said that WAL from the archive's end on is gone. */
  readonly walWasRemoved: boolean
  /** What to do when WAL is here that the server's history leaves out. Undefined: the server has the last word. */
  readonly leftBranch: 'refuse' | 'follow' | undefined
  readonly signal: AbortSignal
  onEvent(event: ReceiveEvent): void
}

/**
 * Where streaming goes on: after what the directory holds, else at the slot's restart position,
 * else at the server's flush position; always at a segment start. Computed anew for each
 * connection from what is really on disk.
 *
 * With an archive it is the later of the directory's and the archive's end, and only without both
 * the slot or the server: a slot that was lost and made anew can so never skip WAL silently.
 *
 * @throws ReceiveError when the answer cannot be had, or would leave a gap that was not allowed
 */
export async function findStartPoint(
  connection: PhysicalReplicationConnection,
  facts: ServerFacts,
  options: StartPointOptions,
): Promise<StartPoint> {
  const line =
    options.leftBranch === undefined ? null : await ServerLine.of(connection, facts, options.signal)
  const scan = await findStreamingStart(options.directory, facts.segmentSize)
  for (const { name, reason } of scan.skipped) options.onEvent({ kind: 'segment-skipped', name, reason })
  const fallback = async () => (await slotStart(connection, facts, options)) ?? serverStart(facts)
  const found: StartPoint | null = scan.start === null ? null : { ...scan.start, origin: 'directory' }
  const local = line === null ? found : await localOnLine(line, found, facts, options)
  const start =
    options.archive === undefined
      ? (local ?? (await fallback()))
      : await startBehindArchive(options.archive, local, fallback, { ...options, facts, line })
  if (start.timeline > facts.timeline) {
    throw new ReceiveError(`starting timeline ${start.timeline} is not present in the server`, {
      code: 'RECEIVE_TIMELINE_UNKNOWN',
      hint: 'the server was restored to, or left behind at, an earlier timeline than the files received so far: compare both before going on',
      context: {
        startingTimeline: start.timeline,
        serverTimeline: facts.timeline,
        startLsn: formatLsn(start.lsn),
      },
    })
  }
  return start
}

/** Where the directory's files end on the way to where the server is. */
async function localOnLine(
  line: ServerLine,
  found: StartPoint | null,
  facts: ServerFacts,
  options: StartPointOptions,
): Promise<StartPoint | null> {
  const branch = found === null ? null : line.branchOf(found)
  if (branch === null) return found
  if (options.leftBranch === 'refuse') throw branchLeft(branch)
  options.onEvent({ kind: 'branch-left', ...branch })
  const next = line.behind(branch)
  // Some of what comes next may be here already: this is not the first start after the failover.
  const { start } = await findStreamingStart(options.directory, facts.segmentSize, line.holds)
  if (start === null || start.lsn <= next.lsn || start.timeline < next.timeline) return next
  return { ...start, origin: 'directory' }
}

async function slotStart(
  connection: PhysicalReplicationConnection,
  facts: ServerFacts,
  { slotName, signal }: StartPointOptions,
): Promise<StartPoint | null> {
  // Before version 15 the position of a slot cannot be read on a physical connection.
  if (!slotName || connection.serverVersion < 150000) return null
  let slot: Awaited<ReturnType<typeof connection.readReplicationSlot>>
  try {
    slot = await connection.readReplicationSlot(slotName, { signal })
  } catch (error) {
    throw commandFailed('READ_REPLICATION_SLOT', error)
  }
  if (slot === null) {
    throw new ReceiveError(`replication slot "${slotName}" does not exist`, {
      code: 'RECEIVE_SLOT_MISSING',
      hint: 'create it with --create-slot',
      context: { slotName },
    })
  }
  if (slot.restartLsn === null) return null
  return {
    lsn: segmentFloor(slot.restartLsn, facts.segmentSize),
    timeline: slot.restartTli ?? facts.timeline,
    origin: 'slot',
  }
}

function serverStart(facts: ServerFacts): StartPoint {
  return { lsn: segmentFloor(facts.flushLsn, facts.segmentSize), timeline: facts.timeline, origin: 'server' }
}
