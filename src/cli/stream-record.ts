import type { WalshipError } from '../base/index.js'
import type { ReceiveEvent } from '../receive/index.js'
import type { Counters, ErrorFacts, StreamState } from '../status/index.js'
import { errorFacts } from './error-facts.js'

type StreamCounts = Pick<
  Counters,
  'connects' | 'streamFailures' | 'timelineSwitches' | 'segmentsFinished' | 'damagedPlaces' | 'breakdowns'
>

/** What the receiver's events say of the stream: its state, since when, and what is worth counting. */
export class StreamRecord {
  readonly counts: { -readonly [Name in keyof StreamCounts]: number } = {
    connects: 0,
    streamFailures: 0,
    timelineSwitches: 0,
    segmentsFinished: 0,
    damagedPlaces: 0,
    breakdowns: 0,
  }
  #state: StreamState = 'connecting'
  #since = new Date()
  #lastError: ErrorFacts | null = null
  #standby = ''

  get state(): StreamState {
    return this.#state
  }

  /** Who does the work meanwhile; null while nobody is waited for. */
  get standby(): string | null {
    return this.#state === 'standby' ? this.#standby : null
  }

  get since(): Date {
    return this.#since
  }

  get lastError(): ErrorFacts | null {
    return this.#lastError
  }

  /** Given up, to be tried anew later. */
  onBreakdown(error: WalshipError): void {
    this.counts.breakdowns += 1
    this.#lastError = errorFacts(error)
    this.#become('failed')
  }

  onEvent(event: ReceiveEvent): void {
    switch (event.kind) {
      case 'streaming-started':
        // On the next timeline the connection is the same.
        this.counts.connects += Number(event.origin !== 'next-timeline')
        this.#become('streaming')
        break
      case 'segment-finished':
        this.counts.segmentsFinished += 1
        break
      case 'timeline-switched':
        this.counts.timelineSwitches += 1
        break
      case 'standing-by':
        this.#standby = event.text
        this.#become('standby')
        break
      case 'wal-damaged':
        this.counts.damagedPlaces += 1
        break
      case 'paused':
        this.#become('paused')
        break
      case 'resumed':
        this.#become('streaming')
        break
      case 'error':
        this.counts.streamFailures += 1
        this.#lastError = errorFacts(event.error)
        this.#become('retrying')
        break
      case 'stopping':
        this.#become('stopped')
        break
    }
  }

  #become(state: StreamState): void {
    if (this.#state === state) return
    this.#state = state
    this.#since = new Date()
  }
}
