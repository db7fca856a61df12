/**
 * Copies a table's changes into another database, through restarts and failovers, each transaction once. The
 * position is stored with the data, in one transaction: that is what makes it "once".
 *
 * Run: SOURCE='host=a,b target_session_attrs=read-write dbname=app' TARGET='host=c dbname=copy' \
 *      node --import tsx examples/surviving-consumer.ts
 *
 * The target needs: CREATE TABLE consumed (slot text PRIMARY KEY, lsn pg_lsn, timeline int8);
 *                   CREATE TABLE changes (lsn pg_lsn, change text);
 */
import { connect, formatLsn, SlotConsumer } from 'walship'

const slotName = 'copy'
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`

await using target = await connect({ dsn: process.env.TARGET })
const changes: string[] = []

const consumer = new SlotConsumer({
  connection: { dsn: process.env.SOURCE },
  stream: { slotName, options: { 'include-xids': false } },
  createSlot: { outputPlugin: 'test_decoding', failover: process.env.FAILOVER === '1' },
  resumeFrom: async () => {
    const { rows } = await target.query<{ lsn: string; timeline: bigint }>(
      `SELECT lsn, timeline FROM consumed WHERE slot = ${quoted(slotName)}`,
    )
    return rows[0] === undefined ? null : { lsn: rows[0].lsn, timeline: Number(rows[0].timeline) }
  },
  onMessage: async (message) => {
    if (message.text.startsWith('BEGIN')) changes.length = 0
    else if (!message.text.startsWith('COMMIT')) changes.push(message.text)
    else {
      const lsn = quoted(formatLsn(message.dataStart))
      const values = changes.map((change) => `(${lsn}, ${quoted(change)})`).join(', ')
      const { timeline } = consumer.position
      await target.query(`BEGIN;
        ${values === '' ? '' : `INSERT INTO changes VALUES ${values};`}
        INSERT INTO consumed VALUES (${quoted(slotName)}, ${lsn}, ${timeline})
          ON CONFLICT (slot) DO UPDATE SET lsn = excluded.lsn, timeline = excluded.timeline;
        COMMIT`)
      message.ack()
    }
  },
  onEvent: (event) => console.error(event.kind, 'error' in event ? event.error.message : ''),
})
await consumer.run(interrupted.signal)
