/**
 * A logical slot with test_decoding, read by a loop that waits like select().
 *
 * Run: PGHOST=... PGUSER=... PGDATABASE=... node --import tsx examples/logical-select.ts [messages]
 *
 * Mistakes of the Python original that are mended here:
 * - It dropped the slot while the stream was running. The server refuses that, a bare `except` hid it, and
 *   the slot stayed and held back WAL for ever. Here dropping ends the stream first, and errors are seen.
 * - Its `send_feedback()` in the idle branch was to send a keepalive and sent nothing. Keepalives are the
 *   library's own business; there is no idle branch to write.
 * - Ctrl-C left by way of an exception with the slot in place. Here it is an ordinary end.
 */
import {
  connect,
  LogicalReplicationConnection,
  PgError,
  REPLICATION_LOGICAL,
  type ReplicationMessage,
  StopReplication,
} from 'walship'

const maxMessages = Number(process.argv[2] ?? 100)
const slotName = 'test_slot'
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort(new StopReplication('interrupted')))

await using connection = await connect({
  environment: process.env,
  connectionFactory: LogicalReplicationConnection,
})
const cursor = connection.cursor()

const slot = await cursor.createReplicationSlot(slotName, {
  slotType: REPLICATION_LOGICAL,
  outputPlugin: 'test_decoding',
})
console.log(`Created replication slot: ${slot.slotName}`)
try {
  await cursor.startReplication({ slotName, decode: true, statusInterval: 10 })
  let count = 0
  const handle = (message: ReplicationMessage): void => {
    console.log(`LSN: ${message.dataStart}, Time: ${message.sendTime.toISOString()}`)
    console.log(`Payload: ${message.payload}`)
    cursor.sendFeedback({ flushLsn: message.dataStart })
    count += 1
    if (count >= maxMessages) throw new StopReplication('Processed enough messages')
  }
  for (;;) {
    if (!(await cursor.waitReadable(1000, interrupted.signal))) continue
    const message = cursor.tryReadMessage()
    if (message !== null) handle(message)
  }
} catch (error) {
  if (error instanceof StopReplication) console.log(`Stopping replication: ${error.message}`)
  else if (error instanceof PgError) {
    console.error(`Replication error: ${error.message} (${error.sqlState ?? error.code})`)
    process.exitCode = 1
  } else throw error
} finally {
  await cursor.dropReplicationSlot(slotName)
  console.log(`Dropped replication slot: ${slotName}`)
}
