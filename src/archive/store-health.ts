import type { WalshipError } from '../base/index.js'

export interface StoreHealthEvents {
  onFailing(error: WalshipError): void
  /** @param failures attempts that failed in between */
  onRecovered(failures: number, durationMs: number): void
}

/**
 * Whether the store works, from what the uploads meet. It fails from the first failed attempt on
 * until every upload that met a failure has got through or was given up, so that an outage is two
 * events, however many uploads meet it.
 */
export class StoreHealth {
  readonly #events: StoreHealthEvents
  readonly #struggling = new Set<object>()
  #since: number | null = null
  #failuresBefore = 0
  /** Failed attempts since the beginning. */
  failures = 0
  successes = 0
  lastError: WalshipError | null = null

  constructor(events: StoreHealthEvents) {
    this.#events = events
  }

  /** Milliseconds since the epoch; null while the store works. */
  get failingSince(): number | null {
    return this.#since
  }

  /** @param upload any object that stands for one upload with all its attempts */
  failed(upload: object, error: WalshipError, isKnownToFail = false): void {
    this.failures += 1
    this.lastError = error
    if (isKnownToFail) return
    this.#struggling.add(upload)
    if (this.#since !== null) return
    this.#since = Date.now()
    this.#failuresBefore = this.failures - 1
    this.#events.onFailing(error)
  }

  succeeded(upload: object): void {
    this.successes += 1
    this.#struggling.delete(upload)
    if (this.#since === null || this.#struggling.size > 0) return
    const durationMs = Date.now() - this.#since
    this.#since = null
    this.#events.onRecovered(this.failures - this.#failuresBefore, durationMs)
  }

  /** The upload is not tried any more, for reasons that say nothing about the store. */
  gaveUp(upload: object): void {
    this.#struggling.delete(upload)
  }
}
