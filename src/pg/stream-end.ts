import { parseNextTimeline } from './replication-commands.js'
import { serverSilent } from './signs-of-life.js'
import { readResults } from './simple-query.js'
import type { ReplicationStreamOptions, StreamOutcome } from './stream-contract.js'
import type { Wire } from './wire.js'

/**
 * Reads what comes after the copy, up to ReadyForQuery, so that the connection can be used again.
 *
 * A server that has ended the stream says the rest at once, or it is none: after `pingTimeoutMs` of waiting it is
 * given up.
 *
 * @param error what the stream has failed with already, or null
 * @returns how the stream ended; never rejects
 */
export async function readStreamEnd(
  wire: Wire,
  { onNotice, pingTimeoutMs }: ReplicationStreamOptions,
  error: Error | null,
): Promise<StreamOutcome> {
  const limit = new EndLimit(wire, pingTimeoutMs)
  try {
    const outcome = await Promise.race([readResults(wire, { onNotice }), limit.exceeded])
    wire.endStream()
    if (error !== null) return { error }
    const row =
      outcome.kind === 'results'
        ? outcome.results.find((result) => result.rows.length > 0)?.rows[0]
        : undefined
    return {
      end: row === undefined ? { reason: 'client' } : { reason: 'timeline', ...parseNextTimeline(row) },
    }
  } catch (cause) {
    wire.endStream()
    return { error: error ?? (cause as Error) }
  } finally {
    limit.clear()
  }
}

class EndLimit {
  readonly #wire: Wire
  readonly #timeoutMs: number
  #timer: NodeJS.Timeout | null = null
  /** Rejects when it took too long. */
  readonly exceeded: Promise<never>
  #reject!: (error: Error) => void

  constructor(wire: Wire, timeoutMs: number) {
    this.#wire = wire
    this.#timeoutMs = timeoutMs
    this.exceeded = new Promise((_, reject) => {
      this.#reject = reject
    })
    this.exceeded.catch(() => {})
    if (timeoutMs > 0) this.#wait()
  }

  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      // Nothing is read, so silence says nothing.
      if (this.#wire.transport.paused) return this.#wait()
      this.#reject(serverSilent(`the server did not say how the stream ended within ${this.#timeoutMs} ms`))
      this.#wire.transport.destroy()
    }, this.#timeoutMs)
  }
}
