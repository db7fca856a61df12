import { sleep } from '../base/index.js'
import { monitorServer, monitorSlots } from '../monitor/index.js'
import type { ConnectOptions } from '../pg/index.js'
import type { SlotFacts } from '../status/index.js'
import type { Lsn } from '../wal/index.js'
import { OrdinaryConnection } from './ordinary-connection.js'
import { redactSecrets } from './redact.js'

export interface SlotWatchOptions {
  readonly slotName: string
  readonly connection: ConnectOptions
  readonly intervalMs: number
  /** Where the server is, by its own word. */
  onServerPosition(lsn: Lsn): void
  /** The state of the slot has changed: `reserved`, `extended`, `unreserved`, `lost`; null before server 13. */
  onWalStatus(walStatus: SlotFacts['walStatus'], slotName: string): void
  /** It cannot be looked at. Once for each reason. */
  onUnknown(reason: string): void
}

/** A server that refuses us is asked again this many times less often. */
const REFUSED_FACTOR = 10

/**
 * Looks at the slot over an ordinary connection of its own: how far it is from being lost is not to be had on
 * a replication connection. Whatever fails here costs this knowledge and nothing else.
 */
export class SlotWatch {
  readonly #options: SlotWatchOptions
  readonly #stop = new AbortController()
  readonly #connection: OrdinaryConnection
  #started = false
  #running: Promise<void> = Promise.resolve()
  #facts: SlotFacts

  constructor(options: SlotWatchOptions) {
    this.#options = options
    this.#connection = new OrdinaryConnection(options.connection)
    this.#facts = unknown(options.slotName, 'it was not looked at yet')
  }

  get facts(): SlotFacts {
    return this.#facts
  }

  /** Begins; further calls do nothing. */
  start(): void {
    if (this.#started) return
    this.#started = true
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { intervalMs } = this.#options
    const { signal } = this.#stop
    for (let waitMs = 0; await sleep(waitMs, signal); ) {
      waitMs = intervalMs
      try {
        await this.#look()
      } catch (error) {
        this.#failed(error)
        waitMs = intervalMs * REFUSED_FACTOR
      }
    }
    await this.#connection.close()
  }

  async #look(): Promise<void> {
    const { slotName, onServerPosition, onWalStatus } = this.#options
    const { position, slots } = await this.#connection.look(
      async (connection, options) => ({
        position: (await monitorServer(connection, options)).position,
        slots: await monitorSlots(connection, options),
      }),
      this.#stop.signal,
    )
    if (position !== null) onServerPosition(position)
    const slot = slots.find((candidate) => candidate.slotName === slotName)
    const before = this.#facts
    if (slot === undefined) {
      this.#tellUnknown('the server has no such slot')
      return
    }
    this.#facts = {
      name: slotName,
      unknown: null,
      checkedAt: new Date().toISOString(),
      active: slot.active,
      walStatus: slot.walStatus,
      safeWalBytes: slot.safeWalBytes === null ? null : Number(slot.safeWalBytes),
      retainedBytes: slot.lagBytes === null ? null : Number(slot.lagBytes),
    }
    if (slot.walStatus !== before.walStatus) onWalStatus(slot.walStatus, slotName)
  }

  #failed(error: unknown): void {
    if (this.#stop.signal.aborted) return
    const message = error instanceof Error ? error.message : String(error)
    this.#tellUnknown(redactSecrets(message))
  }

  #tellUnknown(reason: string): void {
    if (this.#facts.unknown !== reason) this.#options.onUnknown(reason)
    this.#facts = unknown(this.#options.slotName, reason)
  }
}

function unknown(name: string, reason: string): SlotFacts {
  return {
    name,
    unknown: reason,
    checkedAt: null,
    active: null,
    walStatus: null,
    safeWalBytes: null,
    retainedBytes: null,
  }
}
