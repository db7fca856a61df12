import type { PhysicalReplicationConnection } from '../pg/index.js'
import { findStreamingStart } from '../segments/index.js'
import { formatLsn, segmentFloor } from '../wal/index.js'
import type { ArchiveDoor } from './archive-door.js'
import { commandFailed, ReceiveError } from './errors.js'
import type { ReceiveEvent } from './events.js'
import type { ServerFacts } from './server-facts.js'
import { startBehindArchive } from './start-behind-archive.js'
import type { StartPoint } from './stream-position.js'

export interface StartPointOptions {
  readonly directory: string
  readonly slotName: string | undefined
  /** Set where the files go on into an archive. */
  readonly archive: ArchiveDoor | undefined
  /** The server has said that WAL from the archive's end on is gone. */
  readonly walWasRemoved: boolean
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
  const scan = await findStreamingStart(options.directory, facts.segmentSize)
  for (const { name, reason } of scan.skipped) options.onEvent({ kind: 'segment-skipped', name, reason })
  const fallback = async () => (await slotStart(connection, facts, options)) ?? serverStart(facts)
  const local: StartPoint | null = scan.start === null ? null : { ...scan.start, origin: 'directory' }
  const start =
    options.archive === undefined
      ? (local ?? (await fallback()))
      : await startBehindArchive(options.archive, local, fallback, { ...options, facts })
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
