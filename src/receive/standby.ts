import { sleep, type WalshipError } from '../base/index.js'
import { type PhysicalReplicationConnection, SlotActiveError } from '../pg/index.js'
import type { Lsn } from '../wal/index.js'
import { commandFailed } from './errors.js'
import type { ReceiveEvent } from './events.js'

/** How a receiver waits while another one streams from its slot, to take over when that one is gone. */
export interface StandbyOptions {
  /**
   * Whether somebody streams from the slot, looked up where it leaves no line in the server's log. Null: it
   * cannot be looked up. Throws on abort only.
   */
  isSlotActive(signal: AbortSignal): Promise<boolean | null>
}

/** A takeover comes so long after the server has let go of the slot, at most. */
const LOOK_INTERVAL_MS = 1000
/** The same where only the server's refusal tells: each writes an error into its log. */
const ASK_INTERVAL_MS = 5000

/** A timeline that no server will ever reach. */
const NO_TIMELINE = 0xffff_ffff
const ANYWHERE = 1n as Lsn

/**
 * A receiver's wait for its slot. The server is the judge: it lets one receiver stream from a slot, and
 * answers the others that it is in use. Nothing else is agreed on between receivers, so nothing else can be wrong.
 */
export class Standby {
  readonly #options: StandbyOptions
  readonly #slotName: string
  readonly #onEvent: (event: ReceiveEvent) => void
  #waiting = false
  /** It was looked up and was free: no need to ask before the start in earnest. */
  #seenFree = false

  constructor(options: StandbyOptions, slotName: string, onEvent: (event: ReceiveEvent) => void) {
    this.#options = options
    this.#slotName = slotName
    this.#onEvent = onEvent
  }

  /**
   * Waits until the slot is free, or it is time to ask for it again. Tells of it at the first time only.
   *
   * @param refusal the server's answer `PG_SLOT_ACTIVE`
   * @returns false on abort
   */
  async wait(refusal: WalshipError, signal: AbortSignal): Promise<boolean> {
    if (!this.#waiting) this.#onEvent({ kind: 'standing-by', waitsFor: 'slot', text: this.#text(refusal) })
    this.#waiting = true
    this.#seenFree = false
    for (
      let waitedMs = LOOK_INTERVAL_MS;
      await sleep(LOOK_INTERVAL_MS, signal);
      waitedMs += LOOK_INTERVAL_MS
    ) {
      const active = await this.#options.isSlotActive(signal).catch((error: unknown) => {
        if (signal.aborted) return null
        throw error
      })
      if (signal.aborted) return false
      this.#seenFree = active === false
      if (this.#seenFree || (active === null && waitedMs >= ASK_INTERVAL_MS)) return true
    }
    return false
  }

  /**
   * Asks the server for the slot with a start that it must refuse, so that nothing begins: who is answered that the
   * slot is in use has read nothing from the archive and touched nothing in the directory. Does nothing when the
   * slot was seen to be free, or nobody waits. The server takes the slot before it looks at the timeline, and
   * at the timeline before it agrees to stream. PostgreSQL: src/backend/replication/walsender.c (StartReplication).
   *
   * @throws ReceiveError `PG_SLOT_ACTIVE` when another one streams from it
   */
  async ask(connection: PhysicalReplicationConnection, signal: AbortSignal): Promise<void> {
    if (!this.#waiting || this.#seenFree) return
    try {
      await connection.startReplication({
        slotName: this.#slotName,
        startLsn: ANYWHERE,
        timeline: NO_TIMELINE,
        statusInterval: 0,
        signal,
      })
    } catch (error) {
      if (error instanceof SlotActiveError) throw commandFailed('START_REPLICATION', error)
      if (signal.aborted) throw error
      // Refused for another reason, which the start in earnest will meet if it lasts.
    }
  }

  /** It streams, or something else is wrong now. */
  over(): void {
    this.#waiting = false
  }

  #text(refusal: WalshipError): string {
    const pid = refusal.cause instanceof SlotActiveError ? refusal.cause.pid : undefined
    const holder = pid === undefined ? '' : ` (process ${pid} of the server)`
    return `another receiver streams from slot "${this.#slotName}"${holder}`
  }
}
