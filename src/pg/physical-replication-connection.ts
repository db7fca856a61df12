import type { CommandOptions } from './command-options.js'
import type { ConnectOptions } from './connect-options.js'
import { openSession } from './open-session.js'
import { physicalPlan, type StartPhysicalOptions } from './physical-plan.js'
import { parseSegmentSize } from './replication-commands.js'
import { ReplicationConnection, type StartResult } from './replication-connection.js'
import { ReplicationCursor } from './replication-cursor.js'
import { REPLICATION_PHYSICAL } from './replication-type.js'

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

  override cursor(): ReplicationCursor {
    return new ReplicationCursor(this, this.cursorDoor())
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
    return this.openStream(await physicalPlan(this, options), options)
  }
}
