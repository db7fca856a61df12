import type { Change } from './messages.js'
import type { Origin } from './transaction.js'

/** What a change costs in memory beside its payload, about, in bytes. */
const CHANGE_OVERHEAD = 256

/** The changes of one transaction that has not come to its end yet. */
export class OpenTransaction {
  readonly xid: number
  origin: Origin | null = null
  /** Null where a subtransaction was rolled back. */
  readonly #changes: (Change | null)[] = []
  readonly #sizes: number[] = []
  /** Where the changes of each subtransaction are: rolling one back must not look at all changes. */
  readonly #placesOf = new Map<number, number[]>()
  #byteCount = 0

  constructor(xid: number) {
    this.xid = xid
  }

  /** What it takes in memory, about. */
  get byteCount(): number {
    return this.#byteCount
  }

  add(change: Change, payloadLength: number): void {
    const { xid } = change
    if (xid !== null && xid !== this.xid) {
      const places = this.#placesOf.get(xid)
      if (places === undefined) this.#placesOf.set(xid, [this.#changes.length])
      else places.push(this.#changes.length)
    }
    this.#changes.push(change)
    this.#sizes.push(payloadLength + CHANGE_OVERHEAD)
    this.#byteCount += payloadLength + CHANGE_OVERHEAD
  }

  /** Takes out what was made under a subtransaction. Those below it are told of one by one by the server. */
  rollBack(subxid: number): void {
    for (const place of this.#placesOf.get(subxid) ?? []) {
      this.#changes[place] = null
      this.#byteCount -= this.#sizes[place]!
    }
    this.#placesOf.delete(subxid)
    // A subtransaction is rolled back while it is the latest, so its changes are the last ones:
    // a transaction that rolls back to savepoints for ever does not grow.
    while (this.#changes.length > 0 && this.#changes.at(-1) === null) {
      this.#changes.pop()
      this.#sizes.pop()
    }
  }

  changes(): readonly Change[] {
    return this.#changes.filter((change) => change !== null)
  }
}
