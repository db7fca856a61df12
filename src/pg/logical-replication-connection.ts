import type { ConnectOptions } from './connect-options.js'
import { logicalPlan, type StartLogicalOptions } from './logical-plan.js'
import { openSession } from './open-session.js'
import { ReplicationConnection, type StartResult } from './replication-connection.js'
import { ReplicationCursor } from './replication-cursor.js'
import { REPLICATION_LOGICAL } from './replication-type.js'

/**
 * A connection for logical replication: changes as an output plugin tells them. It belongs to a
 * database and takes SQL too. PostgreSQL chapters 49 and 54.4.
 *
 * One logical stream for each connection: PostgreSQL cannot start a second one after the first was
 * stopped.
 */
export class LogicalReplicationConnection extends ReplicationConnection {
  readonly replicationType = REPLICATION_LOGICAL

  /**
   * Connects, authenticates, and waits until the server takes commands.
   *
   * @throws ConnectionFailedError with libpq's text when no host would have us
   */
  static override async connect(options: ConnectOptions): Promise<LogicalReplicationConnection> {
    return new LogicalReplicationConnection(await openSession(options, 'database'), options.onNotice)
  }

  override cursor(): ReplicationCursor {
    return new ReplicationCursor(this, this.cursorDoor())
  }

  /**
   * START_REPLICATION ... LOGICAL. Some errors, such as options that the plugin refuses, may come with the
   * first read.
   *
   * @throws ServerError when it refuses: slot missing (42704) or in use (55006), ...
   */
  async startReplication(options: StartLogicalOptions): Promise<StartResult> {
    this.refuseCommand()
    return this.openStream(await logicalPlan(this, options), options)
  }
}
