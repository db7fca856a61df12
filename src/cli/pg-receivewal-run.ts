import { WalshipError } from '../base/index.js'
import { Receiver } from '../receive/index.js'
import { connectionArguments } from './connection-arguments.js'
import { EventLines } from './pg-event-lines.js'
import type { PgLogger } from './pg-logging.js'
import { EXIT, type ProgramHost } from './program-host.js'
import type { ReceiveOptionValues } from './receive-options.js'
import { prepareSettings } from './receive-settings.js'
import { receiverOptions } from './receiver-options.js'
import { reportError } from './report.js'
import { runSlotAction } from './slot-action.js'
import { StopRequest } from './stop-request.js'

/** Fixed in the original, and scripts that watch its output know the line that names it. */
const RECONNECT_DELAY_MS = 5000

/**
 * What pg_receivewal does after its command line is understood.
 *
 * @returns the exit status
 * @throws WalshipError when it could not even begin
 */
export async function receiveAsDropIn(
  values: ReceiveOptionValues,
  host: ProgramHost,
  programName: string,
  logger: PgLogger,
): Promise<number> {
  const settings = await prepareSettings(values)
  if (settings.slotAction !== undefined) return runSlotAction(values, host, programName, logger)

  const stop = new StopRequest(host.signals, () => {
    logger.error('interrupted again, exiting without waiting')
    host.signals.exit(EXIT.failed)
  })
  const lines = new EventLines(logger, settings.verbose)
  const receiver = new Receiver({
    ...receiverOptions(settings, await connectionArguments(values, host, programName, stop)),
    // The first connection is tried once, as in the original: a wrong host name should not loop unseen.
    retry: settings.loop ? { initial: false, everything: true, delayMs: () => RECONNECT_DELAY_MS } : null,
    onEvent: (event) => {
      // Events come from the first connection on. Before it signals have their default effect,
      // as in the original: nothing is written yet.
      stop.listen()
      lines.print(event)
    },
  })
  try {
    await receiver.run(stop.signal)
    return EXIT.done
  } catch (error) {
    reportError(logger, error)
    const endedByUs = stop.signal.aborted || settings.loop
    if (!endedByUs && isDisconnect(error, lines.streamed)) logger.error('disconnected')
    return EXIT.failed
  } finally {
    stop.close()
  }
}

/** Failures before streaming after which the original still says that it is disconnected. */
const DISCONNECT_COMMANDS = ['READ_REPLICATION_SLOT', 'TIMELINE_HISTORY', 'START_REPLICATION']
const DISCONNECT_CODES = ['RECEIVE_SLOT_MISSING', 'RECEIVE_TIMELINE_UNKNOWN']

/** True where the original would start over if it were not for --no-loop. */
function isDisconnect(error: unknown, streamed: boolean): boolean {
  if (!(error instanceof WalshipError)) return false
  // A disk that cannot sync ends the original at once.
  if (error.code === 'WAL_FILE_SYNC_FAILED') return false
  const command = String(error.context.command ?? '').split(' ')[0]!
  return streamed || DISCONNECT_CODES.includes(error.code) || DISCONNECT_COMMANDS.includes(command)
}
