import type { Logger } from 'pino'
import type { ArchiveEvent } from '../archive/index.js'
import type { ConnectOptions } from '../pg/index.js'
import type { ReceiveEvent, Receiver } from '../receive/index.js'
import { Heartbeat } from './heartbeat.js'
import { named } from './log-events.js'
import type { ProgramHost } from './program-host.js'
import { ServiceNotice } from './service-notice.js'
import type { Shipping } from './shipping.js'
import { StatusBoard } from './status-board.js'
import type { StatusSettings } from './status-options.js'
import { StatusPublisher } from './status-publisher.js'

/** Levels of log at which a state of the slot is told. */
const SLOT_LOG_LEVELS = { reserved: 'info', extended: 'warn', unreserved: 'error', lost: 'error' } as const

/** What the status is about. */
export interface StatusSubject {
  readonly directory: string
  readonly minFreeBytes: number
  readonly slotName: string | undefined
}

/**
 * All that `walship receive` tells of itself besides its log: the window, the heartbeat, systemd. Without an
 * option that asks for it there is no board and nothing is gathered.
 */
export class StatusDesk {
  readonly #settings: StatusSettings
  readonly #host: ProgramHost
  readonly #subject: StatusSubject
  readonly #publisher = new StatusPublisher()
  readonly #heartbeat = new Heartbeat()
  readonly #notice: ServiceNotice
  readonly #isWanted: boolean
  #board: StatusBoard | null = null
  #log: Logger | null = null
  #failed = false
  /** Before the board is there. */
  #lines: string[] = []

  constructor(settings: StatusSettings, host: ProgramHost, subject: StatusSubject) {
    this.#settings = settings
    this.#host = host
    this.#subject = subject
    this.#notice = new ServiceNotice(host.environment)
    this.#isWanted =
      settings.http !== null || settings.heartbeatUrl !== null || host.environment.NOTIFY_SOCKET !== undefined
  }

  /** @throws WalshipError for a file of the settings that cannot be read */
  async open(
    receiver: Receiver,
    shipping: Shipping | null,
    connection: ConnectOptions,
    log: Logger,
  ): Promise<void> {
    if (!this.#isWanted) return
    const { heartbeatUrl, thresholds } = this.#settings
    this.#log = log
    const board = new StatusBoard({
      ...this.#subject,
      thresholds,
      slotWatch: this.#slotWatch(connection, log),
      onError: (error) =>
        this.#guard(() => {
          throw error
        }),
    })
    this.#board = board
    for (const line of this.#lines.splice(0)) this.onLogLine(line)
    board.attach(receiver, shipping)
    await this.#publisher.start(this.#settings, board, this.#host, log)
    if (heartbeatUrl !== null) this.#heartbeat.start(heartbeatUrl, board, log)
    this.#notice.ready(() => board.snapshot().verdict.headline)
  }

  onReceiveEvent(event: ReceiveEvent): void {
    this.#guard((board) => board.onReceiveEvent(event))
  }

  onArchiveEvent(event: ArchiveEvent): void {
    this.#guard((board) => board.onArchiveEvent(event))
  }

  onLogLine(line: string): void {
    if (this.#board !== null) this.#guard((board) => board.onLogLine(line))
    else if (this.#isWanted && this.#lines.length < 100) this.#lines.push(line)
  }

  async close(): Promise<void> {
    this.#notice.stopping()
    await Promise.all([this.#heartbeat.close(), this.#publisher.close(), this.#board?.close()])
  }

  /** A mistake in the telling must not end the receiving. It is told once. */
  #guard(job: (board: StatusBoard) => void): void {
    if (this.#board === null) return
    try {
      job(this.#board)
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
  ): ConstructorParameters<typeof StatusBoard>[0]['slotWatch'] {
    const { http, slotCheckMs } = this.#settings
    if (http === null || slotCheckMs === 0) return null
    const { environment } = this.#host
    return {
      intervalMs: slotCheckMs,
      // A replication connection has no database; this one needs one that is there.
      connection: {
        ...connection,
        environment: { ...environment, PGDATABASE: environment.PGDATABASE || 'postgres' },
        onNotice: undefined,
        onWarning: undefined,
      },
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
