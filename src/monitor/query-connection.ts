/**
 * What monitoring needs of a connection: SQL over the simple protocol, and rows by column name.
 * A plain Connection has it, and so has a LogicalReplicationConnection that does not stream.
 */
export interface QueryConnection {
  /** As PQserverVersion has it: 180004 for 18.4. */
  readonly serverVersion: number
  query<Row>(
    sql: string,
    options?: { readonly signal?: AbortSignal },
  ): Promise<{ readonly rows: readonly Row[] }>
}

export interface MonitorOptions {
  readonly signal?: AbortSignal
}

/**
 * How far the server itself is: what it has written, or on a standby the furthest of what it has
 * received and replayed. (Not what it replayed alone: a replica of a standby can be ahead of that.)
 */
export const SERVER_POSITION = `CASE WHEN pg_catalog.pg_is_in_recovery()
    THEN GREATEST(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
    ELSE pg_catalog.pg_current_wal_lsn() END`

/** A column that the server has since a major, else null. */
export function since(connection: QueryConnection, major: number, column: string, type = 'text'): string {
  return connection.serverVersion >= major * 10_000 ? column : `NULL::${type}`
}
