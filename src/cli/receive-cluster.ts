import type { Logger } from 'pino'
import type { WalshipError } from '../base/index.js'
import { type ReceiveEvent, Receiver } from '../receive/index.js'
import type { DirectoryLock } from '../segments/index.js'
import type { ClusterCommand } from './cluster-command.js'
import type { ClusterStatus } from './cluster-status.js'
import { connectionArguments } from './connection-arguments.js'
import { holdDirectory } from './hold-directory.js'
import { logEvent, named } from './log-events.js'
import { ordinaryOptions } from './ordinary-connection.js'
import type { ProgramHost } from './program-host.js'
import type { ReceiveSettings } from './receive-settings.js'
import { receiverOptions } from './receiver-options.js'
import { retryDelayMs } from './retry-delay.js'
import { Shipping } from './shipping.js'
import { SlotLook } from './slot-look.js'
import type { StopRequest } from './stop-request.js'

/** Longer without room, and the connection is given up. */
const MAX_PAUSE_MS = 60_000

/** What one run of a cluster works with. */
export interface ReceiveContext {
  readonly host: ProgramHost
  readonly programName: string
  readonly log: Logger
  readonly status: ClusterStatus
  /** The wish of a person or a supervisor. */
  readonly stop: StopRequest
  /** Aborted when this cluster has to end, for whatever reason. */
  readonly signal: AbortSignal
  /** All is put together, and receiving begins. What it throws ends the run. */
  onReady?(): Promise<void>
}

/**
 * Receives and ships the WAL of one cluster, until it is asked to end or cannot go on. Whatever happens, the open
 * segment is left durable and what was begun is closed.
 *
 * @throws WalshipError what ended it
 */
export async function receiveCluster(
  { values, shipping: shippingSettings }: ClusterCommand,
  settings: ReceiveSettings,
  { host, programName, log, status, stop, signal, onReady }: ReceiveContext,
): Promise<'aborted' | 'endpos'> {
  const ended = new AbortController()
  let fatal: WalshipError | null = null
  const shipping =
    shippingSettings.store === undefined
      ? null
      : new Shipping({
          settings: shippingSettings,
          directory: settings.directory!,
          host,
          log,
          onArchiveEvent: (event) => status.onArchiveEvent(event),
          onFatal: (error) => {
            fatal = error
            ended.abort()
          },
        })
  let slotLook: SlotLook | undefined
  let lock: DirectoryLock | null = null
  try {
    const connection = await connectionArguments(values, host, programName, stop)
    const onEvent = (event: ReceiveEvent) => {
      logEvent(log, event)
      status.onReceiveEvent(event)
      shipping?.onReceiveEvent(event)
      if (event.kind === 'streaming-started') void slotLook?.close()
    }
    if (settings.slotName !== undefined)
      slotLook = new SlotLook(settings.slotName, ordinaryOptions(connection, host.environment))
    const receiver = new Receiver({
      ...receiverOptions(settings, {
        ...connection,
        onNotice: (notice) =>
          log.info({ event: named('server_notice'), sqlState: notice.sqlState }, notice.message),
        onWarning: (text) => log.warn({ event: named('warning') }, text),
      }),
      retry: settings.loop ? { initial: true, everything: false, delayMs: retryDelayMs } : null,
      ensureSlot: shippingSettings.ensureSlot,
      leftBranch: shippingSettings.followFailover ? 'follow' : 'refuse',
      verify: shippingSettings.verify === 'off' ? undefined : shippingSettings.verify,
      archive: shipping ?? undefined,
      ackPolicy: shipping?.ackPolicy,
      space:
        shippingSettings.minFreeBytes === 0
          ? undefined
          : { floorBytes: shippingSettings.minFreeBytes, maxPauseMs: MAX_PAUSE_MS },
      standby: slotLook,
      onWritten: () => shipping?.onWritten(),
      onEvent,
    })
    shipping?.attach(receiver)
    status.attach(receiver, shipping, connection, log)
    await onReady?.()
    const anyEnd = AbortSignal.any([signal, ended.signal])
    // Before anything is written or archived; held until both have ended.
    lock = await holdDirectory(settings.directory!, { waits: settings.loop, signal: anyEnd, onEvent })
    const { reason } = await receiver.run(anyEnd)
    if (fatal !== null) throw fatal
    if (reason === 'endpos') await shipping?.finish(signal)
    return reason
  } finally {
    await shipping?.close()
    await slotLook?.close()
    await lock?.release()
  }
}
