import { formatLsn, INVALID_LSN, type Lsn, lsnMax } from '../wal/index.js'
import { UsageError } from './errors.js'
import type { Feedback } from './stream-contract.js'

/**
 * The positions a server is told. They only move forward, and never beyond what was received:
 * the server does no check of its own, and would remove WAL that nobody has.
 */
export class StandbyPositions {
  #write: Lsn = INVALID_LSN
  #flush: Lsn = INVALID_LSN
  #apply: Lsn = INVALID_LSN
  #changed = false

  get write(): Lsn {
    return this.#write
  }

  get flush(): Lsn {
    return this.#flush
  }

  get apply(): Lsn {
    return this.#apply
  }

  /** There is news that the server has not been told. */
  get changed(): boolean {
    return this.#changed
  }

  /**
   * @param limit end of what was received
   * @throws UsageError for a position beyond the limit; nothing is changed then
   */
  advance(feedback: Feedback, limit: Lsn): void {
    const { flushLsn = INVALID_LSN, applyLsn = INVALID_LSN } = feedback
    // What is flushed is written.
    const writeLsn = lsnMax(feedback.writeLsn ?? INVALID_LSN, flushLsn)
    refuseBeyond(limit, 'flush', flushLsn)
    refuseBeyond(limit, 'write', writeLsn)
    refuseBeyond(limit, 'apply', applyLsn)
    if (writeLsn <= this.#write && flushLsn <= this.#flush && applyLsn <= this.#apply) return
    if (writeLsn > this.#write) this.#write = writeLsn
    if (flushLsn > this.#flush) this.#flush = flushLsn
    if (applyLsn > this.#apply) this.#apply = applyLsn
    this.#changed = true
  }

  /** The positions to send; from here on they are no news. */
  take(): { readonly write: Lsn; readonly flush: Lsn; readonly apply: Lsn } {
    this.#changed = false
    return { write: this.#write, flush: this.#flush, apply: this.#apply }
  }
}

function refuseBeyond(limit: Lsn, name: string, lsn: Lsn): void {
  if (lsn <= limit) return
  throw new UsageError(
    `${name} position ${formatLsn(lsn)} is beyond ${formatLsn(limit)}, the end of what was received`,
  )
}
