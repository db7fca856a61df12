/**
 * Slots and receivers of a server, over an ordinary connection.
 *
 * Run: PGHOST=... PGUSER=... PGDATABASE=... node --import tsx examples/monitor.ts
 *
 * Mistakes of the Python original, shown and mended:
 * - On a standby its query of the slots fails: pg_current_wal_lsn() is for primaries.
 * - Its `write_lag` is sent minus flushed and so includes the wait for the disk; both are shown here.
 * - The positions of a logical slot and of a physical one are compared with the same column; the lag that a
 *   user of a logical slot cares for is that of confirmed_flush_lsn.
 */
import { type Connection, connect } from 'walship'

await using connection = await connect({ environment: process.env })
await monitorReplicationSlots(connection)
await monitorReplicationStats(connection)

async function monitorReplicationSlots(connection: Connection): Promise<void> {
  using cursor = connection.cursor()
  await cursor.execute(`
    WITH server AS (
      SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn
    )
    SELECT slot_name, slot_type, active, restart_lsn, confirmed_flush_lsn,
           pg_size_pretty(pg_wal_lsn_diff(server.lsn, restart_lsn)) AS lag_size,
           pg_size_pretty(pg_wal_lsn_diff(server.lsn, confirmed_flush_lsn)) AS confirmed_lag
      FROM pg_replication_slots, server`)
  console.log(`--- Replication Slots Status (${new Date().toISOString()}) ---`)
  for (const [name, type, active, restart, confirmed, lagSize, confirmedLag] of cursor.fetchAll()) {
    console.log(`Slot: ${name}`)
    console.log(`  Type: ${type}`)
    console.log(`  Active: ${active}`)
    console.log(`  Restart LSN: ${restart}`)
    console.log(`  Confirmed Flush LSN: ${confirmed}`)
    console.log(`  Lag Size: ${lagSize}`)
    console.log(`  Confirmed Lag: ${confirmedLag}`)
  }
}

async function monitorReplicationStats(connection: Connection): Promise<void> {
  using cursor = connection.cursor()
  await cursor.execute(`
    SELECT client_addr, state, sent_lsn, write_lsn, flush_lsn, replay_lsn, sync_state,
           pg_size_pretty(pg_wal_lsn_diff(sent_lsn, write_lsn)) AS write_lag,
           pg_size_pretty(pg_wal_lsn_diff(sent_lsn, flush_lsn)) AS flush_lag,
           pg_size_pretty(pg_wal_lsn_diff(flush_lsn, replay_lsn)) AS replay_lag
      FROM pg_stat_replication`)
  console.log(`--- Replication Statistics (${new Date().toISOString()}) ---`)
  for (const [
    client,
    state,
    sent,
    write,
    flush,
    replay,
    sync,
    writeLag,
    flushLag,
    replayLag,
  ] of cursor.fetchAll()) {
    console.log(`Client: ${client}`)
    console.log(`  State: ${state}`)
    console.log(`  Sent LSN: ${sent}`)
    console.log(`  Write LSN: ${write}`)
    console.log(`  Flush LSN: ${flush}`)
    console.log(`  Replay LSN: ${replay}`)
    console.log(`  Sync State: ${sync}`)
    console.log(`  Write Lag: ${writeLag}`)
    console.log(`  Flush Lag: ${flushLag}`)
    console.log(`  Replay Lag: ${replayLag}`)
  }
}
