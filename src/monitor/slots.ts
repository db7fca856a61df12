import type { Lsn } from '../wal/index.js'
import { type MonitorOptions, type QueryConnection, SERVER_POSITION, since } from './query-connection.js'
import { booleanOf, bytesOf, dateOf, lsnOf, numberOf, type TextRow } from './row-values.js'

/**
 * A row of pg_replication_slots. What the server's version does not have is null.
 * PostgreSQL chapter 53.20, "pg_replication_slots".
 */
export interface SlotStatus {
  readonly slotName: string
  readonly slotType: 'physical' | 'logical'
  /** Output plugin; null for a physical slot. */
  readonly plugin: string | null
  readonly database: string | null
  readonly temporary: boolean
  readonly active: boolean
  readonly activePid: number | null
  /** The oldest WAL that the slot keeps; null when it keeps none. */
  readonly restartLsn: Lsn | null
  /** Logical: everything before this was confirmed. */
  readonly confirmedFlushLsn: Lsn | null
  /** WAL from `restartLsn` to the server's position, in bytes: what the slot keeps, about. */
  readonly lagBytes: bigint | null
  /** The same as the server's pg_size_pretty has it: `24 kB`. */
  readonly lagSize: string | null
  /** Logical: WAL that its client has not confirmed yet, in bytes. */
  readonly unconfirmedBytes: bigint | null
  /** Server 13. `lost`: the slot is of no use any more. */
  readonly walStatus: 'reserved' | 'extended' | 'unreserved' | 'lost' | null
  /** Server 13. Bytes that can be written before the slot may be lost; null also without a limit. */
  readonly safeWalBytes: bigint | null
  /** Server 14. */
  readonly twoPhase: boolean | null
  /** Server 16. A logical slot on a standby that the primary's clean-up has invalidated. */
  readonly conflicting: boolean | null
  /** Server 17. Since when nobody uses it. */
  readonly inactiveSince: Date | null
  /** Server 17. Why it was invalidated: `wal_removed`, `rows_removed`, `wal_level_insufficient`, `idle_timeout`. */
  readonly invalidationReason: string | null
  /** Server 17. To be kept on standbys too. */
  readonly failover: boolean | null
  /** Server 17. Kept on this standby for a primary. */
  readonly synced: boolean | null
}

type Column =
  | 'slot_name'
  | 'slot_type'
  | 'plugin'
  | 'database'
  | 'temporary'
  | 'active'
  | 'active_pid'
  | 'restart_lsn'
  | 'confirmed_flush_lsn'
  | 'lag_bytes'
  | 'lag_size'
  | 'unconfirmed_bytes'
  | 'wal_status'
  | 'safe_wal_size'
  | 'two_phase'
  | 'conflicting'
  | 'inactive_since'
  | 'invalidation_reason'
  | 'failover'
  | 'synced'

/**
 * The server's replication slots, by name. Works on primaries and standbys, servers 10 to 18.
 *
 * @throws what the connection's `query` throws
 */
export async function monitorSlots(
  connection: QueryConnection,
  options?: MonitorOptions,
): Promise<SlotStatus[]> {
  const sql = `SELECT slot_name::text, slot_type::text, plugin::text, database::text, temporary::text,
  active::text, active_pid::text, restart_lsn::text, confirmed_flush_lsn::text,
  pg_catalog.pg_wal_lsn_diff(position, restart_lsn)::text AS lag_bytes,
  pg_catalog.pg_size_pretty(pg_catalog.pg_wal_lsn_diff(position, restart_lsn)) AS lag_size,
  pg_catalog.pg_wal_lsn_diff(position, confirmed_flush_lsn)::text AS unconfirmed_bytes,
  ${since(connection, 13, 'wal_status')}::text AS wal_status,
  ${since(connection, 13, 'safe_wal_size')}::text AS safe_wal_size,
  ${since(connection, 14, 'two_phase')}::text AS two_phase,
  ${since(connection, 16, 'conflicting')}::text AS conflicting,
  EXTRACT(epoch FROM ${since(connection, 17, 'inactive_since', 'timestamptz')})::text AS inactive_since,
  ${since(connection, 17, 'invalidation_reason')}::text AS invalidation_reason,
  ${since(connection, 17, 'failover')}::text AS failover,
  ${since(connection, 17, 'synced')}::text AS synced
FROM pg_catalog.pg_replication_slots, (SELECT ${SERVER_POSITION} AS position) AS server
ORDER BY slot_name`
  const { rows } = await connection.query<TextRow<Column>>(sql, options)
  return rows.map(slotStatus)
}

function slotStatus(row: TextRow<Column>): SlotStatus {
  return {
    slotName: row.slot_name!,
    slotType: row.slot_type as SlotStatus['slotType'],
    plugin: row.plugin,
    database: row.database,
    temporary: row.temporary === 'true',
    active: row.active === 'true',
    activePid: numberOf(row.active_pid),
    restartLsn: lsnOf(row.restart_lsn),
    confirmedFlushLsn: lsnOf(row.confirmed_flush_lsn),
    lagBytes: bytesOf(row.lag_bytes),
    lagSize: row.lag_size,
    unconfirmedBytes: bytesOf(row.unconfirmed_bytes),
    walStatus: row.wal_status as SlotStatus['walStatus'],
    safeWalBytes: bytesOf(row.safe_wal_size),
    twoPhase: booleanOf(row.two_phase),
    conflicting: booleanOf(row.conflicting),
    inactiveSince: dateOf(row.inactive_since),
    invalidationReason: row.invalidation_reason,
    failover: booleanOf(row.failover),
    synced: booleanOf(row.synced),
  }
}
