/** Streams of pgoutput from a test server. */
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import {
  connect,
  LogicalReplicationConnection,
  type PgoutputOptions,
  pgoutputOptions,
  pgoutputTransactions,
  type ReplicatedTransaction,
} from '../../src/index.js'
import { MAJOR } from './test-server.js'

/** A slot for pgoutput, which goes with its server. */
export async function createPgoutputSlot(
  server: PostgresServer,
  slotName: string,
  twoPhase = MAJOR >= 15,
): Promise<void> {
  const more = twoPhase ? ', false, true' : ''
  await server.query(`SELECT pg_create_logical_replication_slot('${slotName}', 'pgoutput'${more})`)
}

export async function slotFree(server: PostgresServer, slotName: string): Promise<void> {
  const active = `SELECT active FROM pg_replication_slots WHERE slot_name = '${slotName}'`
  await waitFor('the slot to be free', async () => (await server.value(active)) === 'false')
}

/** A connection that streams; whoever opens it closes it. */
export async function openPgoutput(
  server: PostgresServer,
  slotName: string,
  options: Omit<PgoutputOptions, 'publications'> = {},
): Promise<LogicalReplicationConnection> {
  const connection = await connect({ dsn: server.dsn, connectionFactory: LogicalReplicationConnection })
  const words = pgoutputOptions({ publications: ['everything'], ...options }, connection.serverVersion)
  await connection.startReplication({ slotName, options: words })
  return connection
}

/** Everything up to the insert into `marks` that is made now. */
export async function transactionsToNow(
  server: PostgresServer,
  slotName: string,
  options?: Omit<PgoutputOptions, 'publications'>,
): Promise<ReplicatedTransaction[]> {
  await server.query('CREATE TABLE IF NOT EXISTS marks (id int)')
  await server.query('INSERT INTO marks VALUES (1)')
  await using connection = await openPgoutput(server, slotName, options)
  const transactions: ReplicatedTransaction[] = []
  for await (const transaction of pgoutputTransactions(connection)) {
    if (isMark(transaction)) break
    transactions.push(transaction)
  }
  return transactions
}

export function isMark(transaction: ReplicatedTransaction): boolean {
  return (
    transaction.kind === 'transaction' &&
    transaction.changes.some((change) => change.kind === 'insert' && change.relation.name === 'marks')
  )
}
