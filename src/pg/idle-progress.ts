import { INVALID_LSN, type Lsn, lsnMax } from '../wal/index.js'

/**
 * When a logical stream's flush position may follow the server's keepalives.
 *
 * A slot on a quiet table would hold back the WAL of the whole cluster: nothing is sent, so nothing is
 * acknowledged. A keepalive says that up to its position everything was sent. If all that was received
 * is acknowledged, nothing is lost by acknowledging that position too.
 *
 * Transactions come in the order of their commits. One that is not complete yet commits after the
 * keepalive's position, so the server sends it again whole.
 */
export class IdleProgress {
  #newestData: Lsn = INVALID_LSN
  #acknowledged: Lsn = INVALID_LSN
  #sentEnd: Lsn = INVALID_LSN

  /** @param dataStart 0 for a message without a position of its own */
  onData(dataStart: Lsn): void {
    this.#newestData = lsnMax(this.#newestData, dataStart)
    // What the server had sent before says nothing about this message.
    this.#sentEnd = INVALID_LSN
  }

  onKeepalive(walEnd: Lsn): void {
    this.#sentEnd = walEnd
  }

  /** The user's own flush position; keepalives do not count. */
  onAcknowledged(flushLsn: Lsn): void {
    this.#acknowledged = lsnMax(this.#acknowledged, flushLsn)
  }

  get acknowledged(): Lsn {
    return this.#acknowledged
  }

  /** What may be reported as flushed now, or 0 for nothing more than the user said. */
  get flushable(): Lsn {
    return this.#acknowledged >= this.#newestData ? this.#sentEnd : INVALID_LSN
  }
}
