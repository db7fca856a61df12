/**
 * A physical slot, and the WAL as it is on the server's disk.
 *
 * Run: PGHOST=... PGUSER=... node --import tsx examples/physical-loop.ts [messages] [directory]
 *
 * Mistakes of the Python original that are mended here:
 * - It started at position 0 of timeline 1. The server answers that segment 0 was removed, because it never
 *   existed. Here 0 means the slot's position, else the server's, at a segment start.
 * - It acknowledged the start of each message, one message late. In a physical stream that is `dataEnd`.
 * - It acknowledged as flushed what it had not written anywhere. Here bytes are written and synced first when a
 *   directory is given, and nothing is acknowledged when not.
 * - A message is a piece of WAL, cut anywhere: not a record, as it was called.
 * - The slot leaked, and the loop took a whole processor while it waited.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, formatLsn, PhysicalReplicationConnection, REPLICATION_PHYSICAL } from 'walship'

const maxMessages = Number(process.argv[2] ?? 1000)
const directory = process.argv[3]
const slotName = 'standby_slot'

await using connection = await connect({
  environment: process.env,
  connectionFactory: PhysicalReplicationConnection,
})
const cursor = connection.cursor()
await cursor.createReplicationSlot(slotName, { slotType: REPLICATION_PHYSICAL })
let file: FileHandle | null = null
try {
  const started = await cursor.startReplication({ slotName, startLsn: 0, timeline: 1 })
  if (started.kind === 'ended') throw new Error('timeline 1 ends where the stream was to begin')
  const startText = formatLsn(started.startLsn)
  console.log(`Streaming from ${startText}`)
  if (directory !== undefined) {
    file = await open(join(directory, startText.replace('/', '-')), 'wx')
    // The file's name must survive a power cut too.
    await using folder = await open(directory)
    await folder.sync()
  }
  let messages = 0
  let bytes = 0
  while (messages < maxMessages) {
    const message = await cursor.readReplicationMessage()
    if (message === null) continue
    console.log(`WAL at LSN ${formatLsn(message.dataStart)}, size: ${message.dataSize}`)
    if (file !== null) {
      await file.write(message.bytes)
      await file.datasync()
      cursor.sendFeedback({ flushLsn: message.dataEnd })
    }
    messages += 1
    bytes += message.dataSize
  }
  console.log(`Received ${bytes} bytes`)
} finally {
  await file?.close()
  await cursor.dropReplicationSlot(slotName)
}
