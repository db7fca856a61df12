import type { Logger } from 'pino'
import type { ArchiveEvent } from '../archive/index.js'
import type { WalshipError } from '../base/index.js'
import type { ConnectOptions } from '../pg/index.js'
import type { ReceiveEvent, Receiver } from '../receive/index.js'
import type { ClusterCommand } from './cluster-command.js'
import { named } from './log-events.js'
import { ordinaryOptions } from './ordinary-connection.js'
import type { ProgramHost } from './program-host.js'
import type { Shipping } from './shipping.js'
import type { SlotWatchOptions } from './slot-watch.js'
import { StatusBoard } from './status-board.js'

/** Levels of log at which a state of the slot is told. */
const SLOT_LOG_LEVELS = { reserved: 'info', extended: 'warn', unreserved: 'error', lost: 'error' } as const

/** What one cluster's parts tell of themselves. Nobody may fail or wait because of it. */
export class ClusterStatus {
  readonly #command: ClusterCommand
  readonly #host: ProgramHost
  /** Null: nobody wants to know. */
  readonly board: StatusBoard | null
  #log: Logger | null = null
  #failed = false

  /** @param isWanted false: nothing is gathered */
  constructor(command: ClusterCommand, host: ProgramHost, isWanted: boolean) {
    this.#command = command
    this.#host = host
    const { name, values, shipping, status } = command
    this.board = isWanted
      ? new StatusBoard({
          cluster: name,
          directory: values.directory!,
          minFreeBytes: shipping.minFreeBytes,
          slotName: values.slot,
          thresholds: status.thresholds,
          onError: (error) =>
            this.#guard(() => {
              throw error
            }),
        })
      : null
  }

  get name(): string | null {
    return this.#command.name
  }

  /** Begins to look at these, and no longer at those of the run before. To be called before the receiver runs. */
  attach(receiver: Receiver, shipping: Shipping | null, connection: ConnectOptions, log: Logger): void {
    this.#log = log
    this.#guard((board) => board.attach(receiver, shipping, this.#slotWatch(connection, log)))
  }

  /** The cluster was given up, and is tried anew later. */
  onBreakdown(error: WalshipError): void {
    this.#guard((board) => board.onBreakdown(error))
  }

  onReceiveEvent(event: ReceiveEvent): void {
    this.#guard((board) => board.onReceiveEvent(event))
  }

  onArchiveEvent(event: ArchiveEvent): void {
    this.#guard((board) => board.onArchiveEvent(event))
  }

  onLogRecord(record: Readonly<Record<string, unknown>>): void {
    this.#guard((board) => board.onLogRecord(record))
  }

  async close(): Promise<void> {
    await this.board?.close()
  }

  /** A mistake in the telling must not end the receiving. It is told once. */
  #guard(job: (board: StatusBoard) => void): void {
    if (this.board === null) return
    try {
      job(this.board)
    } catch (error) {
      if (this.#failed) return
      this.#failed = true
      const text = `status is not right any more, receiving goes on: ${String(error)}`
      this.#log?.error({ event: named('http_failed'), code: 'STATUS_UNEXPECTED', err: error }, text)
    }
  }

  #slotWatch(
    connection: ConnectOptions,
    log: Logger,
  ): Omit<SlotWatchOptions, 'slotName' | 'onServerPosition'> | null {
    const { http, slotCheckMs } = this.#command.status
    if (http === null || slotCheckMs === 0) return null
    return {
      intervalMs: slotCheckMs,
      connection: ordinaryOptions(connection, this.#host.environment),
      onWalStatus: (walStatus, slot) => {
        if (walStatus === null) return
        const text = `slot "${slot}" is ${walStatus}`
        log[SLOT_LOG_LEVELS[walStatus]]({ event: named('slot_status'), slot, walStatus }, text)
      },
      onUnknown: (reason) =>
        log.warn(
          { event: named('slot_unknown'), code: 'SLOT_UNKNOWN' },
          `the slot is not looked at: ${reason}`,
        ),
    }
  }
}
