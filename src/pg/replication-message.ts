import { type Lsn, lsnAdd, pgTimeToDate } from '../wal/index.js'

/**
 * One message of a replication stream. The payload is its own: it stays as it is for as
 * long as the message is kept.
 */
export class ReplicationMessage {
  readonly payload: Buffer
  /** Position of the payload's first byte. */
  readonly dataStart: Lsn
  /** The server's own end of WAL when it sent this; not the end of the payload. */
  readonly walEnd: Lsn
  /** The server's clock when it sent this, in microseconds since 2000-01-01 UTC. */
  readonly sendTimeMicros: bigint

  constructor(payload: Buffer, dataStart: Lsn, walEnd: Lsn, sendTimeMicros: bigint) {
    this.payload = payload
    this.dataStart = dataStart
    this.walEnd = walEnd
    this.sendTimeMicros = sendTimeMicros
  }

  /** Bytes of payload. */
  get dataSize(): number {
    return this.payload.length
  }

  /** Position after the payload's last byte: what to acknowledge once it is safe (physical streams). */
  get dataEnd(): Lsn {
    return lsnAdd(this.dataStart, this.payload.length)
  }

  get sendTime(): Date {
    return pgTimeToDate(this.sendTimeMicros)
  }
}
