/** The faults a `FaultProxy` can do to a request, and how a request is chosen for one. */

/** What came in at the proxy and what became of it. Counts grow while the request is under way. */
export interface ProxiedRequest {
  readonly method: string
  /** The object's key; empty for requests to the bucket itself (a list, a delete of many). */
  readonly key: string
  readonly bucket: string
  readonly query: URLSearchParams
  /** Without the signature. */
  readonly headers: Readonly<Record<string, string>>
  requestBytes: number
  /** Status that the client was sent; null when it got none. */
  status: number | null
  responseBytes: number
  /** True once the server behind has answered in full. */
  reachedServer: boolean
  fault: Fault['kind'] | null
}

/**
 * A moment in a request's life: nothing of its body read; half of it; all of it, and nothing passed on; done by
 * the server behind, and nothing answered; half of the answer's body on its way to the client.
 */
export type Moment = 'before body' | 'in body' | 'after body' | 'before response' | 'in response'

export type Fault =
  /** An S3 error document, and the server behind sees nothing. Status 200 makes it an error inside a success. */
  | { readonly kind: 'error'; readonly status: number; readonly code: string }
  /** The connection is reset. */
  | { readonly kind: 'reset'; readonly at: Moment }
  /** Nothing happens any more until the client gives up. */
  | { readonly kind: 'stall'; readonly at: Moment }
  /** Goes on when the promise is fulfilled. */
  | { readonly kind: 'hold'; readonly at: 'after body' | 'before response'; readonly until: Promise<unknown> }
  /** A slow store: so much later than otherwise. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /**
   * Only the first `bytes` of the answer's body. `announced: 'all'` leaves Content-Length as it was and closes
   * the connection early; `'short'` makes it a well-formed shorter answer, which a checksum alone can find out.
   */
  | { readonly kind: 'truncate'; readonly bytes: number; readonly announced: 'all' | 'short' }
  /** One bit in the middle of the answer's body is turned over. */
  | { readonly kind: 'corrupt' }

export const slowDown: Fault = { kind: 'error', status: 503, code: 'SlowDown' }
export const internalError: Fault = { kind: 'error', status: 500, code: 'InternalError' }
export const errorInSuccess: Fault = { kind: 'error', status: 200, code: 'InternalError' }
/** What the request asked for was done, and the client does not get to know. */
export const lostResponse: Fault = { kind: 'reset', at: 'before response' }

/** For faults at random: the lost response twice, because it is the one that makes a client do things again. */
export const EVERY_FAULT: readonly Fault[] = [
  lostResponse,
  lostResponse,
  { kind: 'reset', at: 'before body' },
  { kind: 'reset', at: 'in body' },
  { kind: 'reset', at: 'after body' },
  { kind: 'reset', at: 'in response' },
  slowDown,
  internalError,
  errorInSuccess,
  { kind: 'delay', delayMs: 200 },
]

/** Every part that is given has to match. */
export interface RequestMatch {
  readonly method?: string
  /** The whole key, or a pattern for it. */
  readonly key?: string | RegExp
}

/** Which of the matching requests get the fault: by default the first one only. */
export interface FaultTimes {
  /** Counted from 1. */
  readonly nth?: number
  /** How many in a row; Infinity for all from the nth on. */
  readonly times?: number
}

export function matches(request: ProxiedRequest, match: RequestMatch): boolean {
  if (match.method !== undefined && match.method !== request.method) return false
  if (match.key instanceof RegExp) return request.key.search(match.key) >= 0
  return match.key === undefined || match.key === request.key
}

/** One planned fault. */
export class FaultRule {
  readonly fault: Fault
  readonly #match: RequestMatch
  readonly #from: number
  readonly #to: number
  readonly #waiting: { count: number; resolve: () => void }[] = []
  #seen = 0
  #hits = 0
  #removed = false

  constructor(match: RequestMatch, fault: Fault, { nth = 1, times = 1 }: FaultTimes = {}) {
    this.fault = fault
    this.#match = match
    this.#from = nth
    this.#to = nth + times
  }

  /** How many requests got this fault so far. */
  get hits(): number {
    return this.#hits
  }

  /** Fulfilled when `count` requests have got this fault. */
  hit(count = 1): Promise<void> {
    if (this.#hits >= count) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ count, resolve }))
  }

  remove(): void {
    this.#removed = true
  }

  /** For the proxy: is this request one of those? Counts it if it matches. */
  takes(request: ProxiedRequest): boolean {
    if (this.#removed || !matches(request, this.#match)) return false
    this.#seen++
    return this.#seen >= this.#from && this.#seen < this.#to
  }

  /** For the proxy: the fault is being done. */
  countHit(): void {
    this.#hits++
    for (const { count, resolve } of this.#waiting) if (this.#hits >= count) resolve()
  }
}
