import { WalshipError } from '../base/index.js'
import { Receiver } from '../receive/index.js'
import { connectionArguments } from './connection-arguments.js'
import { errorFields, logEvent, named } from './log-events.js'
import { EXIT, type ProgramHost } from './program-host.js'
import type { ReceiveOptionValues } from './receive-options.js'
import { prepareSettings } from './receive-settings.js'
import { receiverOptions } from './receiver-options.js'
import { retryDelayMs } from './retry-delay.js'
import { Shipping } from './shipping.js'
import type { ShippingSettings } from './shipping-options.js'
import { StatusDesk } from './status-desk.js'
import type { StatusSettings } from './status-options.js'
import { StopRequest } from './stop-request.js'
import type { LogChoice } from './walship-command-line.js'
import { openLog } from './walship-log.js'

/** Longer without room, and the connection is given up. */
const MAX_PAUSE_MS = 60_000

/**
 * `walship receive`: receiving as a daemon. Differs from the drop-in where a daemon must: it
 * also tries the first connection again, backs off, and logs.
 *
 * @returns the exit status
 * @throws WalshipError when the settings are of no use
 */
export async function receive(
  command: {
    readonly values: ReceiveOptionValues
    readonly shipping: ShippingSettings
    readonly status: StatusSettings
    readonly log: LogChoice
  },
  host: ProgramHost,
  programName: string,
): Promise<number> {
  const settings = await prepareSettings(command.values)
  const desk = new StatusDesk(command.status, host, {
    directory: settings.directory!,
    minFreeBytes: command.shipping.minFreeBytes,
    slotName: settings.slotName,
  })
  const log = openLog(host, command.log, settings.verbose, (line) => desk.onLogLine(line))
  const stop = new StopRequest(host.signals, (signal) => {
    log.fatal(
      { event: named('interrupted_again'), signal },
      'asked to stop a second time: exiting without waiting',
    )
    host.signals.exit(EXIT.failed)
  })
  // A supervisor may stop us before the first connection works, and that is no failure.
  stop.listen()
  const ended = new AbortController()
  let fatal: WalshipError | null = null
  const { shipping: shippingSettings } = command
  const shipping =
    shippingSettings.store === undefined
      ? null
      : new Shipping({
          settings: shippingSettings,
          directory: settings.directory!,
          host,
          log,
          onArchiveEvent: (event) => desk.onArchiveEvent(event),
          onFatal: (error) => {
            fatal = error
            ended.abort()
          },
        })
  try {
    const connection = await connectionArguments(command.values, host, programName, stop)
    const receiver = new Receiver({
      ...receiverOptions(settings, {
        ...connection,
        onNotice: (notice) =>
          log.info({ event: named('server_notice'), sqlState: notice.sqlState }, notice.message),
        onWarning: (text) => log.warn({ event: named('warning') }, text),
      }),
      retry: settings.loop ? { initial: true, everything: false, delayMs: retryDelayMs } : null,
      ensureSlot: shippingSettings.ensureSlot,
      verify: shippingSettings.verify === 'off' ? undefined : shippingSettings.verify,
      archive: shipping ?? undefined,
      ackPolicy: shipping?.ackPolicy,
      space:
        shippingSettings.minFreeBytes === 0
          ? undefined
          : { floorBytes: shippingSettings.minFreeBytes, maxPauseMs: MAX_PAUSE_MS },
      onWritten: () => shipping?.onWritten(),
      onEvent: (event) => {
        logEvent(log, event)
        desk.onReceiveEvent(event)
        shipping?.onReceiveEvent(event)
      },
    })
    shipping?.attach(receiver)
    await desk.open(receiver, shipping, connection, log)
    const { reason } = await receiver.run(AbortSignal.any([stop.signal, ended.signal]))
    if (fatal !== null) throw fatal
    if (reason === 'endpos') await shipping?.finish(stop.signal)
    log.info(
      { event: named('exit'), reason },
      reason === 'endpos' ? 'end position reached' : 'stopped on request',
    )
    return EXIT.done
  } catch (error) {
    if (stop.signal.aborted && error instanceof WalshipError && error.code === 'CLI_STOPPED') return EXIT.done
    const known = error instanceof WalshipError
    log.fatal(
      { event: named('failed'), ...(known ? errorFields(error) : { err: error }) },
      known ? error.message : `unexpected failure: ${String(error)}`,
    )
    return EXIT.failed
  } finally {
    await desk.close()
    await shipping?.close()
    stop.close()
  }
}
