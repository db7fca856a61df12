import { monitorSlots } from '../monitor/index.js'
import type { ConnectOptions } from '../pg/index.js'
import type { StandbyOptions } from '../receive/index.js'
import { OrdinaryConnection } from './ordinary-connection.js'

/** A server that refuses us is not asked again before: each refusal is a line in its log. */
const REFUSED_MS = 300_000

/** Looks over an ordinary connection whether somebody streams from the slot, for who waits for it. */
export class SlotLook implements StandbyOptions {
  readonly #slotName: string
  readonly #connection: OrdinaryConnection
  #refusedUntilMs = 0

  /** @param connection from `ordinaryOptions` */
  constructor(slotName: string, connection: ConnectOptions) {
    this.#slotName = slotName
    this.#connection = new OrdinaryConnection(connection)
  }

  async isSlotActive(signal: AbortSignal): Promise<boolean | null> {
    if (performance.now() < this.#refusedUntilMs) return null
    try {
      const slots = await this.#connection.look(monitorSlots, signal)
      // One that is missing can be made.
      return slots.find(({ slotName }) => slotName === this.#slotName)?.active ?? false
    } catch (error) {
      signal.throwIfAborted()
      this.#refusedUntilMs = performance.now() + (isRefusal(error) ? REFUSED_MS : 0)
      return null
    }
  }

  /** Nobody waits any more. It can be looked again. */
  async close(): Promise<void> {
    await this.#connection.close()
  }
}

/** The server would not have us, or not let us see it. */
function isRefusal(error: unknown): boolean {
  return !(error instanceof Error && 'retryable' in error && error.retryable === true)
}
