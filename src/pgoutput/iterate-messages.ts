import { PgoutputDecoder } from './decoder.js'
import { bytesOf, type PgoutputSource, payloadGroups } from './message-source.js'
import type { PgoutputMessage } from './messages.js'

/**
 * The messages of a stream one by one, also of transactions that are still running and may yet be
 * rolled back (with `streaming`). Memory does not grow with the size of a transaction.
 *
 * Report `acknowledgeLsn(message)` as `flushLsn` where it is not null, once all up to there is safe.
 * Leaving the loop ends the source's iteration, and with it a connection's stream.
 *
 * @param source from the start of its stream
 * @throws PgoutputError for what is no pgoutput; else what the source throws
 */
export async function* pgoutputMessages(source: PgoutputSource): AsyncGenerator<PgoutputMessage, void> {
  const decoder = new PgoutputDecoder()
  for await (const group of payloadGroups(source)) {
    for (const message of group) yield decoder.decode(bytesOf(message), message.dataStart)
  }
}
