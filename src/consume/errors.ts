import { WalshipError, type WalshipErrorOptions } from '../base/index.js'

/**
 * The slot is gone, or the server has given it up: what was committed since cannot come any more. Never
 * retried. The table has to be copied anew, with a new slot.
 */
export class SlotLostError extends WalshipError {
  constructor(message: string, options: Omit<WalshipErrorOptions, 'code'>) {
    super(message, { ...options, code: 'CONSUME_SLOT_LOST' })
  }
}

/**
 * The server's history does not hold what was acknowledged: it is another cluster, or one that lost
 * transactions in a failover. Going on would skip new transactions without a word. Never retried.
 */
export class DivergedServerError extends WalshipError {
  constructor(message: string, options: Partial<WalshipErrorOptions> = {}) {
    super(message, { ...options, code: 'CONSUME_DIVERGED' })
  }
}
