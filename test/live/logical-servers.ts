/** Servers, connections and changes for tests of logical replication. */
import { onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import {
  type ConnectOptions,
  connect,
  formatLsn,
  LogicalReplicationConnection,
  type Lsn,
  type ReplicationMessage,
} from '../../src/index.js'
import { launchTestServer } from './test-server.js'

export async function launchLogicalServer(): Promise<PostgresServer> {
  const server = await launchTestServer({ settings: { wal_level: 'logical' } })
  await server.query('CREATE TABLE items (id serial PRIMARY KEY, name text)')
  return server
}

/** A logical connection that is closed when the test is over. */
export async function connectLogical(options: ConnectOptions): Promise<LogicalReplicationConnection> {
  const connection = await connect({ ...options, connectionFactory: LogicalReplicationConnection })
  onTestFinished(() => connection.close())
  return connection
}

/** Makes a slot through SQL; dropped when the test is over. */
export async function makeSlot(
  server: PostgresServer,
  name: string,
  plugin = 'test_decoding',
): Promise<void> {
  await server.query('SELECT pg_create_logical_replication_slot($1, $2)', [name, plugin])
  onTestFinished(() => dropWhenFree(server, name))
}

/** Ends whoever uses the slot, and drops it if it is still there. */
export async function dropWhenFree(server: PostgresServer, name: string): Promise<void> {
  await waitFor(`slot ${name} to be free`, async () => {
    await server.query(
      'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active',
      [name],
    )
    const query = 'SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1 AND active'
    return (await server.value(query, [name])) === '0'
  })
  await server.query(
    'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1',
    [name],
  )
}

/** One transaction with one row for each name. */
export async function insert(server: PostgresServer, ...names: string[]): Promise<void> {
  await server.query('INSERT INTO items (name) SELECT unnest($1::text[])', [names])
}

/** The names of inserted rows, as test_decoding tells them. */
export function insertedName(text: string): string | null {
  return /name\[text\]:'(.*)'$/.exec(text)?.[1] ?? null
}

export async function confirmedLsn(server: PostgresServer, slotName: string): Promise<string> {
  return server.value('SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1', [
    slotName,
  ])
}

export async function confirmed(server: PostgresServer, slotName: string, lsn: Lsn): Promise<void> {
  await waitFor(`slot ${slotName} to be at ${formatLsn(lsn)}`, async () => {
    const query = `SELECT confirmed_flush_lsn >= $2::pg_lsn FROM pg_replication_slots WHERE slot_name = $1`
    return (await server.value(query, [slotName, formatLsn(lsn)])) === 'true'
  })
}

/** Reads until the transaction that holds the row is complete; gives the names and the commit. */
export async function readThrough(
  connection: LogicalReplicationConnection,
  name: string,
): Promise<{ names: string[]; commit: ReplicationMessage }> {
  const names: string[] = []
  for (;;) {
    const message = await connection.readReplicationMessage({ timeoutMs: 10_000 })
    if (message === null) throw new Error(`nothing more came before ${name}`)
    const inserted = insertedName(message.text)
    if (inserted !== null) names.push(inserted)
    if (message.text.startsWith('COMMIT') && names.includes(name)) return { names, commit: message }
  }
}
