import { INVALID_LSN, type Lsn, type LsnLike, segmentFloor } from '../wal/index.js'
import { ProtocolError } from './errors.js'
import {
  type StreamOptions,
  type StreamPlan,
  senderTimeoutMs,
  startPosition,
  statusIntervalMs,
} from './open-stream.js'
import { parseSegmentSize, startPhysicalCommand } from './replication-commands.js'
import type { FeedbackOptions } from './stream-contract.js'
import type { WalsenderConnection } from './walsender-connection.js'

export interface StartPhysicalOptions extends StreamOptions {
  readonly slotName?: string
  /** Absent or 0: the slot's restart position, else the server's, rounded down to a segment start. */
  readonly startLsn?: LsnLike
  /** Absent or 0: the server's own, or the slot's where the start comes from the slot. */
  readonly timeline?: number
  /** Seconds between statuses. Default 10; 0 sends none on our own account. */
  readonly statusInterval?: number
  /** Positions to report from the first status on. */
  readonly initialFeedback?: Pick<FeedbackOptions, 'writeLsn' | 'flushLsn'>
}

/**
 * A physical stream, with its start resolved.
 *
 * @throws UsageError for what cannot be sent; ServerError when the server cannot say where to start
 */
export async function physicalPlan(
  connection: WalsenderConnection,
  options: StartPhysicalOptions,
): Promise<StreamPlan> {
  const { signal, slotName } = options
  const intervalMs = statusIntervalMs(options.statusInterval, 0)
  const { startLsn, timeline } = await resolveStart(connection, options)
  return {
    kind: 'physical',
    command: startPhysicalCommand({ slotName, startLsn, timeline }),
    startLsn,
    timeline,
    statusIntervalMs: intervalMs,
    senderTimeoutMs: await senderTimeoutMs(connection, signal),
    initialFeedback: options.initialFeedback,
  }
}

async function resolveStart(
  connection: WalsenderConnection,
  options: StartPhysicalOptions,
): Promise<{ startLsn: Lsn; timeline: number | undefined }> {
  const { signal, slotName } = options
  const timeline = options.timeline || undefined
  const asked = startPosition(options.startLsn)
  if (asked !== INVALID_LSN) return { startLsn: asked, timeline }
  const segmentSize = parseSegmentSize(await connection.show('wal_segment_size', { signal }))
  if (segmentSize === null) throw new ProtocolError('server sent an invalid wal_segment_size')
  if (slotName && connection.serverVersion >= 150000) {
    const slot = await connection.readReplicationSlot(slotName, { signal })
    if (slot?.restartLsn != null) {
      return {
        startLsn: segmentFloor(slot.restartLsn, segmentSize),
        timeline: timeline ?? slot.restartTli ?? undefined,
      }
    }
  }
  const system = await connection.identifySystem({ signal })
  return { startLsn: segmentFloor(system.xlogPos, segmentSize), timeline: timeline ?? system.timeline }
}
