import type { ConnectOptions } from './connect-options.js'
import { Connection } from './connection.js'

/**
 * Makes connections of one kind: `LogicalReplicationConnection`, `PhysicalReplicationConnection`,
 * `Connection`, or anything with such a `connect`.
 */
export interface ConnectionFactory<Made extends Connection = Connection> {
  connect(options: ConnectOptions): Promise<Made>
}

/**
 * Connects to a server.
 *
 * ```ts
 * await using connection = await connect({
 *   dsn: 'host=db user=replicator dbname=app',
 *   connectionFactory: LogicalReplicationConnection,
 * })
 * ```
 *
 * @param options where to and how; `connectionFactory` says which kind of session, by default an
 *   ordinary one for SQL
 * @throws ConnectionFailedError with libpq's text when no host would have us
 * @throws UsageError for options that make no sense, before anything is sent
 */
export function connect(
  options: ConnectOptions & { readonly connectionFactory?: undefined },
): Promise<Connection>
export function connect<Made extends Connection>(
  options: ConnectOptions & { readonly connectionFactory: ConnectionFactory<Made> },
): Promise<Made>
export async function connect(
  options: ConnectOptions & { readonly connectionFactory?: ConnectionFactory },
): Promise<Connection> {
  const { connectionFactory = Connection, ...rest } = options
  return connectionFactory.connect(rest)
}
