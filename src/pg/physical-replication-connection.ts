import { INVALID_LSN, type Lsn, type LsnLike, segmentFloor } from '../wal/index.js'
import type { ConnectOptions } from './connect-options.js'
import type { CommandOptions } from './connection.js'
import { ProtocolError } from './errors.js'
import { openSession } from './open-session.js'
import { type StreamOptions, startPosition, statusIntervalMs } from './open-stream.js'
import { parseSegmentSize, startPhysicalCommand } from './replication-commands.js'
import { type FeedbackOptions, ReplicationConnection, type StartResult } from './replication-connection.js'
import { REPLICATION_PHYSICAL } from './replication-type.js'

export interface StartPhysicalOptions extends StreamOptions {
  readonly slotName?: string
  /** Absent or 0: the slot's restart position, else the server's, rounded down to a segment start. */
  readonly startLsn?: LsnLike
  readonly timeline?: number
  /** Seconds between statuses. Default 10; 0 sends none on our own account. */
  readonly statusInterval?: number
  /** Positions to report from the first status on. */
  readonly initialFeedback?: Pick<FeedbackOptions, 'writeLsn' | 'flushLsn'>
}

/**
 * A connection for physical replication: WAL as it is on the server's disk.
 * PostgreSQL chapter 54.4, "Streaming Replication Protocol".
 */
export class PhysicalReplicationConnection extends ReplicationConnection<Buffer> {
  readonly replicationType = REPLICATION_PHYSICAL

  /**
   * Connects, authenticates, and waits until the server takes commands.
   *
   * @throws ConnectionFailedError with libpq's text when no host would have us
   */
  static override async connect(options: ConnectOptions): Promise<PhysicalReplicationConnection> {
    return new PhysicalReplicationConnection(await openSession(options, 'true'), options.onNotice)
  }

  /** The cluster's WAL segment size in bytes; null when the server's answer is not understood. */
  async segmentSize(options?: CommandOptions): Promise<number | null> {
    return parseSegmentSize(await this.show('wal_segment_size', options))
  }

  /**
   * START_REPLICATION. Errors the server finds only after it has agreed (WAL that is gone, a
   * start ahead of its own) come with the first read.
   *
   * @throws ServerError when it refuses: slot missing (42704) or in use (55006), timeline unknown, ...
   */
  async startReplication(options: StartPhysicalOptions = {}): Promise<StartResult> {
    this.refuseCommand()
    const { signal, slotName } = options
    const intervalMs = statusIntervalMs(options.statusInterval, 0)
    const { startLsn, timeline } = await this.#resolveStart(options)
    return this.openStream(
      {
        kind: 'physical',
        command: startPhysicalCommand({ slotName, startLsn, timeline }),
        startLsn,
        timeline,
        statusIntervalMs: intervalMs,
        senderTimeoutMs: await this.senderTimeoutMs({ signal }),
        initialFeedback: options.initialFeedback,
      },
      options,
    )
  }

  async #resolveStart(
    options: StartPhysicalOptions,
  ): Promise<{ startLsn: Lsn; timeline: number | undefined }> {
    const { signal, slotName } = options
    const asked = startPosition(options.startLsn)
    if (asked !== INVALID_LSN) return { startLsn: asked, timeline: options.timeline }
    const segmentSize = await this.segmentSize({ signal })
    if (segmentSize === null) throw new ProtocolError('server sent an invalid wal_segment_size')
    if (slotName && this.serverVersion >= 150000) {
      const slot = await this.readReplicationSlot(slotName, { signal })
      if (slot?.restartLsn != null) {
        return {
          startLsn: segmentFloor(slot.restartLsn, segmentSize),
          timeline: options.timeline ?? slot.restartTli ?? undefined,
        }
      }
    }
    const system = await this.identifySystem({ signal })
    return {
      startLsn: segmentFloor(system.xlogPos, segmentSize),
      timeline: options.timeline ?? system.timeline,
    }
  }
}
