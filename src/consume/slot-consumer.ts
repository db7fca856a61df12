import { backoffDelayMs, sleep, WalshipError } from '../base/index.js'
import {
  LogicalReplicationConnection,
  PgError,
  type ReplicationMessage,
  ServerError,
  SlotInvalidatedError,
  type SystemIdentity,
  UsageError,
} from '../pg/index.js'
import { INVALID_LSN, lsnMax } from '../wal/index.js'
import { type ConsumedPosition, checkHistory, consumedPosition } from './consumed-position.js'
import { SlotLostError } from './errors.js'
import type { ConsumerEvent, SlotConsumerOptions } from './options.js'

const DEFAULT_BACKOFF = { initialMs: 500, maxMs: 30_000 }
/** A server that is shutting down must not be kept from it by clients that come back at once. */
const AFTER_SHUTDOWN_MS = 5_000

/**
 * Consumes a logical slot through restarts and failovers.
 *
 * Promises: what was acknowledged in this run, or stored by the user, does not come again; what was
 * not, does. After a failure the stream goes on from there, with growing delays. It ends with an error
 * where going on would lose something: the slot is gone, or the server's history lacks what was
 * consumed. Errors of the user's own code end it too, as they are.
 */
export class SlotConsumer {
  readonly #options: SlotConsumerOptions
  #position: ConsumedPosition = { lsn: INVALID_LSN, timeline: null, systemId: null }
  #slotMade = false
  #running = false

  constructor(options: SlotConsumerOptions) {
    if ((options.onMessage === undefined) === (options.read === undefined))
      throw new UsageError('a consumer needs either onMessage or read')
    this.#options = options
  }

  /** How far it is: the last position that was acknowledged, and the history it belongs to. */
  get position(): ConsumedPosition {
    return this.#position
  }

  /**
   * Consumes until the signal aborts; then the last acknowledgements are sent, and it resolves.
   *
   * @throws SlotLostError, DivergedServerError, what the user's code throws, and every other error that
   *   trying again cannot mend
   */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#running) throw new UsageError('the consumer is running already')
    this.#running = true
    try {
      this.#position = consumedPosition((await this.#options.resumeFrom?.()) ?? null)
      let attempt = 0
      while (!signal.aborted) {
        const before = this.#position.lsn
        const { error, leastDelayMs } = await this.#once(signal)
        if (signal.aborted) break
        // Only progress makes the delays short again: a server that lets us in and then fails is no better.
        attempt = this.#position.lsn > before ? 1 : attempt + 1
        const backoff = { ...DEFAULT_BACKOFF, ...this.#options.retry }
        const delayMs = Math.max(leastDelayMs, backoffDelayMs(backoff, attempt))
        this.#tell({ kind: 'retry', error, attempt, delayMs })
        await sleep(delayMs, signal)
      }
    } finally {
      this.#running = false
    }
  }

  /** One connection. Returns what ended it when another try can help; throws when not. */
  async #once(signal: AbortSignal): Promise<{ readonly error: Error; readonly leastDelayMs: number }> {
    let connection: LogicalReplicationConnection | null = null
    try {
      connection = await LogicalReplicationConnection.connect({ ...this.#options.connection, signal })
      const older = await this.#start(connection, signal)
      if (older !== null) return { error: older, leastDelayMs: 0 }
      await this.#read(connection, signal)
      const end = connection.endOfStream
      const error = new PgError(`the stream ended: ${end?.reason ?? 'its reader returned'}`, {
        code: 'PG_STREAM_ENDED',
        retryable: true,
      })
      return { error, leastDelayMs: end?.reason === 'server-shutdown' ? AFTER_SHUTDOWN_MS : 0 }
    } catch (error) {
      if (error instanceof UserError) throw error.cause
      if (signal.aborted) return { error: new Error('aborted'), leastDelayMs: 0 }
      if (!(error instanceof WalshipError) || !error.retryable) throw error
      return { error, leastDelayMs: 0 }
    } finally {
      if (connection !== null) {
        this.#note(connection)
        await connection.close()
      }
    }
  }

  /** @returns why the server cannot be used for now, or null */
  async #start(connection: LogicalReplicationConnection, signal: AbortSignal): Promise<Error | null> {
    const server = await connection.identifySystem({ signal })
    const history =
      server.timeline > 1 ? (await connection.timelineHistory(server.timeline, { signal })).content : null
    if (checkHistory(this.#position, { ...server, history }) === 'older') {
      return new PgError(
        `the server is on timeline ${server.timeline}, what was consumed is on ${this.#position.timeline}`,
        { code: 'CONSUME_OLD_TIMELINE', retryable: true, hint: 'it was left behind by a promotion' },
      )
    }
    await this.#makeSlot(connection, server, signal)
    const { stream } = this.#options
    try {
      await connection.startReplication({ ...stream, startLsn: this.#position.lsn, signal })
    } catch (error) {
      throw lostSlot(error, stream.slotName) ?? error
    }
    this.#position = { lsn: this.#position.lsn, timeline: server.timeline, systemId: server.systemId }
    this.#tell({ kind: 'streaming', from: this.#position, host: connection.host })
    return null
  }

  /**
   * Makes the slot at the very beginning, with the first copy. A slot that is there already means that a
   * first copy was begun and not finished: going on would leave out what it was to hold.
   */
  async #makeSlot(connection: LogicalReplicationConnection, server: SystemIdentity, signal: AbortSignal) {
    const { createSlot, stream, onSlotCreated } = this.#options
    if (createSlot === undefined || this.#slotMade || this.#position.lsn !== INVALID_LSN) return
    const { slotName } = stream
    const slot = await connection.createReplicationSlot(slotName, {
      ...createSlot,
      ifNotExists: true,
      signal,
    })
    if (!slot.created && onSlotCreated !== undefined) {
      throw new UsageError(`replication slot "${slotName}" is there, but no first copy was stored`, {
        code: 'CONSUME_COPY_UNFINISHED',
        hint: 'drop the slot to begin again, or let resumeFrom give the position of the copy',
      })
    }
    if (slot.created) this.#tell({ kind: 'slot-created', slotName, snapshotName: slot.snapshotName })
    if (onSlotCreated !== undefined) {
      const { timeline, systemId } = server
      const position = { lsn: slot.consistentPoint, timeline, systemId }
      try {
        await onSlotCreated(slot.snapshotName, position)
      } catch (cause) {
        await connection.dropReplicationSlot(slotName).catch(() => {})
        throw new UserError('', { cause })
      }
      this.#position = position
    }
    this.#slotMade = true
  }

  async #read(connection: LogicalReplicationConnection, signal: AbortSignal): Promise<void> {
    const { onMessage, read } = this.#options
    try {
      if (read !== undefined) await read(connection, signal)
      else await connection.consumeStream(guarded(onMessage!, signal), { signal })
    } catch (error) {
      throw lostSlot(error, this.#options.stream.slotName) ?? error
    }
  }

  #note(connection: LogicalReplicationConnection): void {
    const lsn = lsnMax(this.#position.lsn, connection.acknowledgedLsn ?? INVALID_LSN)
    this.#position = { ...this.#position, lsn }
  }

  #tell(event: ConsumerEvent): void {
    this.#options.onEvent?.(event)
  }
}

/** Marks what the user's code threw: it is not for us to try again, whatever class it has. */
class UserError extends Error {}

function guarded(
  onMessage: (message: ReplicationMessage) => void | Promise<void>,
  signal: AbortSignal,
): (message: ReplicationMessage) => Promise<void> {
  return async (message) => {
    try {
      await onMessage(message)
    } catch (cause) {
      throw signal.aborted && cause === signal.reason ? cause : new UserError('', { cause })
    }
  }
}

/** The error of a slot that is gone for good, or null for any other. */
function lostSlot(error: unknown, slotName: string): SlotLostError | null {
  if (!(error instanceof ServerError)) return null
  // 42704 is also what a missing publication gets; only the slot's own functions mean the slot.
  const missing = error.sqlState === '42704' && error.routine?.startsWith('ReplicationSlot')
  if (!missing && !(error instanceof SlotInvalidatedError)) return null
  return new SlotLostError(`replication slot "${slotName}" is lost: ${error.message}`, {
    hint: 'changes since the last acknowledged one cannot come any more: copy the tables anew, with a new slot',
    context: { slotName, sqlState: error.sqlState },
    cause: error,
  })
}
