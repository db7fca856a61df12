/** The server that live tests run against: its major comes from WALSHIP_TEST_PG_MAJOR, else the newest. */
import { onTestFinished } from 'vitest'
import { NEWEST_POSTGRES_MAJOR } from '../../scripts/postgres-binaries.js'
import { PostgresServer, type PostgresServerOptions, type Settings } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { formatLsn, type Lsn, parseLsn } from '../../src/wal/index.js'

export const MAJOR = Number(process.env.WALSHIP_TEST_PG_MAJOR ?? NEWEST_POSTGRES_MAJOR)

/** Small segments, so that a test sees many; before server 11 their size was fixed when it was compiled. */
export const SEGMENT_SIZE = (MAJOR >= 11 ? 1 : 16) * 1024 * 1024

/** A running server that keeps all its WAL, so that received files can be compared with its own. */
export async function launchTestServer(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  return PostgresServer.launch({
    major: MAJOR,
    ...(MAJOR >= 11 ? { segmentSizeMb: SEGMENT_SIZE / 1024 / 1024 } : {}),
    ...options,
    settings: { ...keepAllWal(options.major ?? MAJOR), ...options.settings },
  })
}

export function keepAllWal(major: number): Settings {
  const kept: Settings = major >= 13 ? { wal_keep_size: '4GB' } : { wal_keep_segments: 4096 }
  return { ...kept, max_wal_size: '4GB', checkpoint_timeout: '1h' }
}

/** Settings of a server that drops its WAL at a checkpoint, also what a slot wants to keep (server 13 and newer). */
export function keepNoWal(major: number): Settings {
  const kept: Settings =
    major >= 13 ? { wal_keep_size: 0, max_slot_wal_keep_size: '1MB' } : { wal_keep_segments: 0 }
  return { ...kept, min_wal_size: `${(2 * SEGMENT_SIZE) / 1024}kB` }
}

/** Writes and flushes about this many bytes of WAL that do not repeat themselves; returns where it ends. */
export async function writeWal(server: PostgresServer, byteCount: number): Promise<Lsn> {
  const client = await server.connect()
  try {
    const text = `(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 1024))`
    for (let written = 0; written < byteCount; written += 32 * 1024) {
      // Transactional, so that the commit flushes it.
      await client.query(`SELECT pg_logical_emit_message(true, 'walship', ${text})`)
    }
    const { rows } = await client.query('SELECT pg_current_wal_flush_lsn() AS lsn')
    return parseLsn(rows[0].lsn)
  } finally {
    await client.end()
  }
}

/** Ends the server's current segment; returns where the next one starts. */
export async function switchSegment(server: PostgresServer): Promise<Lsn> {
  const segmentSize = BigInt(SEGMENT_SIZE)
  const end = parseLsn(await server.value('SELECT pg_switch_wal()'))
  return (((end + segmentSize - 1n) / segmentSize) * segmentSize) as Lsn
}

/** A slot that keeps WAL from about now on; dropped when the test is over. */
export async function createSlot(server: PostgresServer, name: string): Promise<void> {
  // The slot starts at the last checkpoint's redo position.
  await server.query('CHECKPOINT')
  await server.query('SELECT pg_create_physical_replication_slot($1, true)', [name])
  onTestFinished(async () => {
    await waitFor('the slot to be free', async () => {
      return (
        (await server.value('SELECT active FROM pg_replication_slots WHERE slot_name = $1', [name])) ===
        'false'
      )
    })
    await server.query('SELECT pg_drop_replication_slot($1)', [name])
  })
}

/** What the slot keeps: everything from here on; what is below a receiver has confirmed to be durable. */
export async function slotLsn(server: PostgresServer, name: string): Promise<Lsn> {
  return parseLsn(
    await server.value('SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = $1', [name]),
  )
}

/** Waits until the only receiver there is has reported this position. */
export async function reported(
  server: PostgresServer,
  column: 'write_lsn' | 'flush_lsn',
  lsn: Lsn,
): Promise<void> {
  await waitFor(`${column} to reach ${formatLsn(lsn)}`, async () => {
    // As a number: server 10 has no max(pg_lsn).
    const text = await server.value(`SELECT max(${column} - '0/0') FROM pg_stat_replication`)
    return text !== 'null' && BigInt(text) >= lsn
  })
}

/** Waits until a receiver streams. */
export async function streaming(server: PostgresServer): Promise<void> {
  await waitFor('a receiver to stream', async () => {
    return (await server.value(`SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`)) !== '0'
  })
}
