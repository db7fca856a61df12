import type { StatusSnapshot } from './snapshot.js'

/** One point of the page's curves. */
export interface HistoryPoint {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly writtenLagSeconds: number | null
  readonly archivedLagSeconds: number | null
  readonly archivedLagBytes: number | null
  /** Since the point before, per second; null at the first point and over a break. */
  readonly receivedBytesPerSecond: number | null
  readonly level: StatusSnapshot['verdict']['level']
}

/** An hour at one point in five seconds. */
export const HISTORY_INTERVAL_MS = 5000
const MAX_POINTS = 720

/** The last hour, in memory. */
export class History {
  readonly #points: HistoryPoint[] = []
  #last: { readonly at: number; readonly received: number } | null = null

  get points(): readonly HistoryPoint[] {
    return this.#points
  }

  add(snapshot: StatusSnapshot): void {
    const at = Date.parse(snapshot.takenAt)
    const received = snapshot.counters.receivedBytes
    const elapsed = this.#last === null ? 0 : (at - this.#last.at) / 1000
    const { written, archived } = snapshot.positions
    this.#points.push({
      at,
      writtenLagSeconds: written.lagSeconds,
      archivedLagSeconds: archived.lagSeconds,
      archivedLagBytes: archived.lagBytes,
      receivedBytesPerSecond:
        this.#last === null || elapsed <= 0 ? null : (received - this.#last.received) / elapsed,
      level: snapshot.verdict.level,
    })
    if (this.#points.length > MAX_POINTS) this.#points.shift()
    this.#last = { at, received }
  }
}
