import type { LsnLike } from '../wal/index.js'
import type { ConnectOptions } from './connect-options.js'
import { UsageError } from './errors.js'
import { openSession } from './open-session.js'
import { type StreamOptions, startPosition, statusIntervalMs } from './open-stream.js'
import { type PluginOptionValue, quoteLiteral } from './quote.js'
import { startLogicalCommand } from './replication-commands.js'
import { ReplicationConnection, type StartResult } from './replication-connection.js'
import type { MessageSource } from './replication-message.js'
import { REPLICATION_LOGICAL } from './replication-type.js'
import { textDecoding } from './text-decoding.js'

export interface StartLogicalOptions extends StreamOptions {
  readonly slotName: string
  /** Absent or 0: where the slot is. The server never goes back before the slot's own position. */
  readonly startLsn?: LsnLike
  /**
   * For the output plugin. Booleans are sent as `true` and `false`; null and undefined as a name
   * without a value.
   */
  readonly options?: Readonly<Record<string, PluginOptionValue>>
  /**
   * `payload` is text. `true` takes the encoding that the plugin writes in: UTF-8 for pgoutput, the
   * database's for all others. A text names the encoding.
   */
  readonly decode?: boolean | string
}

/**
 * A connection for logical replication: changes as an output plugin tells them. It belongs to a
 * database and takes SQL too. PostgreSQL chapters 49 and 54.4.
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

  /**
   * START_REPLICATION ... LOGICAL. Some errors, such as options that the plugin refuses, come with
   * the first read on some server versions.
   *
   * @throws ServerError when it refuses: slot missing (42704) or in use (55006), ...
   */
  async startReplication(options: StartLogicalOptions): Promise<StartResult> {
    this.refuseCommand()
    if (!options.slotName) throw new UsageError('slot name is required for logical replication')
    const startLsn = startPosition(options.startLsn)
    const command = startLogicalCommand({ slotName: options.slotName, startLsn, options: options.options })
    return this.openStream(
      {
        kind: 'logical',
        command,
        startLsn,
        statusIntervalMs: statusIntervalMs(options.statusInterval, 1),
        senderTimeoutMs: await this.senderTimeoutMs({ signal: options.signal }),
        source: await this.#messageSource(options),
      },
      options,
    )
  }

  async #messageSource({ decode, slotName, signal }: StartLogicalOptions): Promise<MessageSource> {
    const named = typeof decode === 'string' ? decode : await this.#pluginEncoding(slotName, signal)
    if (decode) return { decode: true, toText: textDecoding(named) }
    // An encoding that cannot be read is no harm while nobody asks for text.
    return { decode: false, toText: (bytes) => textDecoding(named)(bytes) }
  }

  /** pgoutput converts to the client's encoding; the other plugins write what the database holds. */
  async #pluginEncoding(slotName: string, signal: AbortSignal | undefined): Promise<string> {
    const databaseEncoding = this.parameters.get('server_encoding') ?? 'UTF8'
    if (databaseEncoding === 'UTF8' || databaseEncoding === 'SQL_ASCII') return 'UTF8'
    const { rows } = await this.query<{ plugin: string | null }>(
      `SELECT plugin FROM pg_catalog.pg_replication_slots WHERE slot_name = ${quoteLiteral(slotName, 'replication slot name')}`,
      { signal },
    )
    return rows[0]?.plugin === 'pgoutput' ? 'UTF8' : databaseEncoding
  }
}
