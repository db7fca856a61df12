import { WalshipError } from '../base/index.js'
import { formatLsn, type Lsn } from '../wal/index.js'

/** Bytes that are no pgoutput message, or one that cannot come at this place of a stream. */
export class PgoutputError extends WalshipError {
  /** Where in the payload, in bytes from its start. */
  readonly offset: number
  /** Position of the message in the WAL; 0/0 where the server sent none. */
  readonly lsn: Lsn

  constructor(message: string, place: { offset: number; lsn: Lsn }) {
    const { offset, lsn } = place
    super(message, {
      code: 'PGOUTPUT_MALFORMED',
      hint: 'use one decoder for each stream, from its first message on, and give it every payload as it came',
      context: { offset, lsn: formatLsn(lsn) },
    })
    this.offset = offset
    this.lsn = lsn
  }
}

/** What the decoder or a collector of transactions was allowed to keep in memory is used up. */
export class PgoutputMemoryError extends WalshipError {
  constructor(what: string, limitBytes: number, hint: string) {
    super(`${what} take more than ${limitBytes} bytes`, {
      code: 'PGOUTPUT_MEMORY',
      hint,
      context: { limitBytes },
    })
  }
}
