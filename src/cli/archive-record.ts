import type { ArchiveEvent } from '../archive/index.js'
import type { ArchiveState, Counters, ErrorFacts } from '../status/index.js'
import { errorFacts } from './error-facts.js'
import type { Shipping } from './shipping.js'

type ArchiveCounts = Pick<Counters, 'segmentsArchived' | 'uploadFailures'>

/** What shipping and its events say of the archive, over all runs of a cluster: its state, and what is worth counting. */
export class ArchiveRecord {
  readonly counts: { -readonly [Name in keyof ArchiveCounts]: number } = {
    segmentsArchived: 0,
    uploadFailures: 0,
  }
  #shipping: Shipping | null = null
  /** Of the failures, what the archiver of this run has told. */
  #failuresSeen = 0
  /** Since when something waits; for as long as the archiver cannot look, because the store does not answer. */
  #pendingSince: Date | null = null
  #lastError: ErrorFacts | null = null
  #lastSuccessAt: Date | null = null

  /** @param shipping of the run that begins; null: there is no store */
  attach(shipping: Shipping | null): void {
    this.#shipping = shipping
    this.#failuresSeen = 0
  }

  onEvent(event: ArchiveEvent): void {
    if (event.kind === 'segment-archived') this.counts.segmentsArchived += 1
    if (event.kind.endsWith('-archived')) this.#lastSuccessAt = new Date()
  }

  /** To be called a few times a second. */
  look(): void {
    const snapshot = this.#shipping?.archiverSnapshot ?? null
    if ((snapshot?.pendingSegments ?? 0) === 0) this.#pendingSince = null
    else this.#pendingSince ??= new Date()
    const failures = snapshot?.failures ?? 0
    if (failures > this.#failuresSeen && snapshot?.lastError) this.#lastError = errorFacts(snapshot.lastError)
    this.counts.uploadFailures += Math.max(0, failures - this.#failuresSeen)
    this.#failuresSeen = failures
  }

  get state(): ArchiveState | null {
    const shipping = this.#shipping
    if (shipping === null) return null
    const archiver = shipping.archiverSnapshot
    const opening = shipping.openError === null ? null : errorFacts(shipping.openError)
    return {
      store: shipping.storeName,
      state: archiver === null ? 'opening' : archiver.failingSince === null ? 'working' : 'failing',
      failingSince: archiver?.failingSince == null ? null : new Date(archiver.failingSince),
      lastError: archiver === null ? opening : this.#lastError,
      lastSuccessAt: this.#lastSuccessAt,
      pendingSegments: archiver?.pendingSegments ?? null,
      pendingBytes: archiver?.pendingBytes ?? null,
      oldestPendingAt:
        archiver?.oldestPendingAt == null ? this.#pendingSince : new Date(archiver.oldestPendingAt),
      stuckFiles: archiver?.stuckFiles ?? null,
    }
  }
}
