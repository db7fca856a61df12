import { PgoutputDecoder } from './decoder.js'
import { bytesOf, type PgoutputSource, payloadGroups } from './message-source.js'
import type { ReplicatedTransaction } from './transaction.js'
import { TransactionCollector } from './transaction-collector.js'

export interface TransactionOptions {
  /**
   * What transactions that have not come to their end may take in memory, all together, in bytes.
   * Default 256 MB.
   */
  readonly maxBufferedBytes?: number
}

/**
 * Whole transactions of a stream, in the order in which they committed. Streamed ones are put
 * together, and come only when they have committed; prepared ones come when they are prepared, and what
 * became of them comes later.
 *
 * Report `transaction.acknowledgeLsn` as `flushLsn` once a transaction is safe: after a crash the
 * stream then goes on with the next one. Leaving the loop ends the source's iteration, and with
 * it a connection's stream.
 *
 * @param source from the start of its stream
 * @throws PgoutputMemoryError for transactions that are larger than allowed
 * @throws PgoutputError for what is no pgoutput; else what the source throws
 */
export async function* pgoutputTransactions(
  source: PgoutputSource,
  options: TransactionOptions = {},
): AsyncGenerator<ReplicatedTransaction, void> {
  const decoder = new PgoutputDecoder()
  const collector = new TransactionCollector(options.maxBufferedBytes)
  for await (const group of payloadGroups(source)) {
    for (const message of group) {
      const payload = bytesOf(message)
      const transaction = collector.push(decoder.decode(payload, message.dataStart), payload.length)
      if (transaction !== null) yield transaction
    }
  }
}
