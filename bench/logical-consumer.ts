/**
 * Reads a stream of pgoutput up to the row in `marks`, as a program of its own, and prints what it took.
 * Usage: node --import tsx bench/logical-consumer.ts walship|peer PORT SLOT
 *
 * Both make the same of each row: an object with the integer columns as numbers. The peer does so by
 * itself; here it is the consumer's affair.
 */
import { LogicalReplicationService, PgoutputPlugin } from 'pg-logical-replication'
import { connect, LogicalReplicationConnection, pgoutputOptions, pgoutputTransactions } from '../src/index.js'

export interface ConsumerResult {
  readonly messages: number
  /** Sum of a number column, so that two readers can be seen to have read the same. */
  readonly checksum: number
  /** From the start of the stream to its end. */
  readonly wallSeconds: number
  readonly cpuSeconds: number
}

const PUBLICATION = 'everything'
const MARK = 'marks'
const [reader, port, slotName] = process.argv.slice(2) as [string, string, string]

let messages = 0
let checksum = 0
const startedAt = performance.now()
const cpuBefore = process.cpuUsage()

await (reader === 'peer' ? readWithPeer() : readWithWalship())

async function readWithWalship(): Promise<void> {
  const dsn = `host=127.0.0.1 port=${port} user=postgres dbname=postgres`
  await using connection = await connect({ dsn, connectionFactory: LogicalReplicationConnection })
  const options = pgoutputOptions({ publications: [PUBLICATION] }, connection.serverVersion)
  await connection.startReplication({ slotName, options })
  for await (const transaction of pgoutputTransactions(connection)) {
    if (transaction.kind !== 'transaction') continue
    messages += 2
    for (const change of transaction.changes) {
      if (change.kind !== 'insert') continue
      messages++
      if (change.relation.name === MARK) {
        // The other one ends before it sees this transaction's commit.
        messages--
        return finish()
      }
      const row: Record<string, unknown> = change.new.toObject()
      row.id = Number(row.id)
      row.branch = Number(row.branch)
      checksum += row.branch as number
    }
  }
}

async function readWithPeer(): Promise<void> {
  const service = new LogicalReplicationService(
    { host: '127.0.0.1', port: Number(port), user: 'postgres', database: 'postgres' },
    // By default it answers each message with a status of its own, which would not be a fair comparison.
    { acknowledge: { auto: false, timeoutSeconds: 10 } },
  )
  service.on('error', (error) => {
    throw error
  })
  service.on('data', (_lsn, message) => {
    if (message.tag === 'begin' || message.tag === 'commit') messages++
    if (message.tag !== 'insert') return
    messages++
    if (message.relation.name === MARK) finish()
    else checksum += message.new.branch
  })
  await service.subscribe(new PgoutputPlugin({ protoVersion: 1, publicationNames: [PUBLICATION] }), slotName)
}

function finish(): never {
  const { user, system } = process.cpuUsage(cpuBefore)
  const result: ConsumerResult = {
    messages,
    checksum,
    wallSeconds: (performance.now() - startedAt) / 1000,
    cpuSeconds: (user + system) / 1e6,
  }
  process.stdout.write(JSON.stringify(result))
  process.exit(0)
}
