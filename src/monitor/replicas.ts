import type { Lsn } from '../wal/index.js'
import { type MonitorOptions, type QueryConnection, SERVER_POSITION, since } from './query-connection.js'
import { bytesOf, dateOf, lsnOf, millisecondsOf, numberOf, type TextRow } from './row-values.js'

/** Each of a replica's positions, or null where it has not told it. */
export interface EachPosition<Value> {
  readonly write: Value | null
  readonly flush: Value | null
  readonly replay: Value | null
}

/**
 * A row of pg_stat_replication: a client that receives WAL or logical changes from this server.
 * A role without pg_monitor sees most of it as null.
 * PostgreSQL chapter 27.2.4, "pg_stat_replication".
 */
export interface ReplicaStatus {
  readonly pid: number
  readonly user: string | null
  readonly applicationName: string | null
  /** Null over a Unix socket. */
  readonly clientAddress: string | null
  /** The slot it streams from; null without one. */
  readonly slotName: string | null
  readonly state: 'startup' | 'catchup' | 'streaming' | 'backup' | 'stopping' | null
  readonly sentLsn: Lsn | null
  readonly writeLsn: Lsn | null
  readonly flushLsn: Lsn | null
  readonly replayLsn: Lsn | null
  readonly syncState: 'async' | 'potential' | 'sync' | 'quorum' | null
  /** Sent and not flushed yet, as text, under the name that a much copied query gives it: `24 kB`. */
  readonly writeLag: string | null
  /** Flushed and not replayed yet, as text, from the same query. An archiver replays nothing. */
  readonly replayLag: string | null
  /** How many bytes each position is behind the server's own: what really is lag. */
  readonly behindBytes: EachPosition<bigint> & { readonly sent: bigint | null }
  /** The server's own measure, in milliseconds: how long recent WAL took to get there. Null on an idle server. */
  readonly lagMs: EachPosition<number>
  /** Server 12. When the last status of the replica was sent, by its own clock. */
  readonly replyTime: Date | null
}

type Column =
  | 'pid'
  | 'usename'
  | 'application_name'
  | 'client_addr'
  | 'slot_name'
  | 'state'
  | 'sent_lsn'
  | 'write_lsn'
  | 'flush_lsn'
  | 'replay_lsn'
  | 'sync_state'
  | 'write_lag_size'
  | 'replay_lag_size'
  | 'sent_behind'
  | 'write_behind'
  | 'flush_behind'
  | 'replay_behind'
  | 'write_lag'
  | 'flush_lag'
  | 'replay_lag'
  | 'reply_time'

/**
 * The clients that receive from this server. Works on primaries and standbys, servers 10 to 18.
 *
 * @throws what the connection's `query` throws
 */
export async function monitorReplication(
  connection: QueryConnection,
  options?: MonitorOptions,
): Promise<ReplicaStatus[]> {
  const behind = (column: string) =>
    `pg_catalog.pg_wal_lsn_diff(position, ${column}_lsn)::text AS ${column}_behind`
  const pretty = (from: string, to: string) =>
    `pg_catalog.pg_size_pretty(pg_catalog.pg_wal_lsn_diff(${from}_lsn, ${to}_lsn))`
  const seconds = (column: string) => `EXTRACT(epoch FROM ${column})::text AS ${column}`
  const sql = `SELECT pid::text, usename::text, application_name::text, pg_catalog.host(client_addr) AS client_addr,
  slot_name::text, state::text, sent_lsn::text, write_lsn::text, flush_lsn::text, replay_lsn::text, sync_state::text,
  ${pretty('sent', 'flush')} AS write_lag_size, ${pretty('flush', 'replay')} AS replay_lag_size,
  ${behind('sent')}, ${behind('write')}, ${behind('flush')}, ${behind('replay')},
  ${seconds('write_lag')}, ${seconds('flush_lag')}, ${seconds('replay_lag')},
  EXTRACT(epoch FROM ${since(connection, 12, 'reply_time', 'timestamptz')})::text AS reply_time
FROM pg_catalog.pg_stat_replication
  LEFT JOIN pg_catalog.pg_replication_slots ON active_pid = pid, (SELECT ${SERVER_POSITION} AS position) AS server
ORDER BY application_name, pg_stat_replication.pid`
  const { rows } = await connection.query<TextRow<Column>>(sql, options)
  return rows.map(replicaStatus)
}

function replicaStatus(row: TextRow<Column>): ReplicaStatus {
  return {
    pid: numberOf(row.pid)!,
    user: row.usename,
    applicationName: row.application_name,
    clientAddress: row.client_addr,
    slotName: row.slot_name,
    state: row.state as ReplicaStatus['state'],
    sentLsn: lsnOf(row.sent_lsn),
    writeLsn: lsnOf(row.write_lsn),
    flushLsn: lsnOf(row.flush_lsn),
    replayLsn: lsnOf(row.replay_lsn),
    syncState: row.sync_state as ReplicaStatus['syncState'],
    writeLag: row.write_lag_size,
    replayLag: row.replay_lag_size,
    behindBytes: {
      sent: bytesOf(row.sent_behind),
      write: bytesOf(row.write_behind),
      flush: bytesOf(row.flush_behind),
      replay: bytesOf(row.replay_behind),
    },
    lagMs: {
      write: millisecondsOf(row.write_lag),
      flush: millisecondsOf(row.flush_lag),
      replay: millisecondsOf(row.replay_lag),
    },
    replyTime: dateOf(row.reply_time),
  }
}
