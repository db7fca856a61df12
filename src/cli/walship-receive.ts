import type { Logger } from 'pino'
import { WalshipError } from '../base/index.js'
import type { ClusterCommand } from './cluster-command.js'
import { keepClusters } from './keep-clusters.js'
import { errorFields, named } from './log-events.js'
import { EXIT, type ProgramHost } from './program-host.js'
import { receiveCluster } from './receive-cluster.js'
import { prepareSettings } from './receive-settings.js'
import { StatusDesk } from './status-desk.js'
import type { StatusSettings } from './status-options.js'
import { StopRequest } from './stop-request.js'
import type { ReceiveManner } from './walship-command-line.js'
import { openLog } from './walship-log.js'

/**
 * `walship receive`: receiving as a daemon. Differs from the drop-in where a daemon must: it
 * also tries the first connection again, backs off, and logs.
 *
 * @returns the exit status
 * @throws WalshipError when the settings are of no use
 */
export async function receive(
  command: ClusterCommand & ReceiveManner,
  host: ProgramHost,
  programName: string,
): Promise<number> {
  const settings = await prepareSettings(command.values)
  const { desk, log, stop } = openDaemon([command], command.status, command, host)
  const [status] = desk.clusters
  try {
    const reason = await receiveCluster(command, settings, {
      ...{ host, programName, log, stop, signal: stop.signal, status: status! },
      onReady: () => desk.open(log),
    })
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
    stop.close()
  }
}

/**
 * The same for all clusters of a configuration file.
 *
 * @returns the exit status: 0 when all ended in an orderly way
 * @throws WalshipError when a file that all share cannot be read
 */
export async function receiveClusters(
  clusters: readonly ClusterCommand[],
  manner: ReceiveManner & { readonly status: StatusSettings },
  host: ProgramHost,
  programName: string,
): Promise<number> {
  const { desk, log, stop } = openDaemon(clusters, manner.status, manner, host)
  try {
    await desk.open(log)
    const isWhole = await keepClusters(clusters, { host, programName, log, desk, stop })
    log.info({ event: named('exit'), reason: stop.signal.aborted ? 'aborted' : 'endpos' }, 'all have ended')
    return isWhole ? EXIT.done : EXIT.failed
  } finally {
    await desk.close()
    stop.close()
  }
}

interface Daemon {
  readonly desk: StatusDesk
  readonly log: Logger
  readonly stop: StopRequest
}

function openDaemon(
  clusters: readonly ClusterCommand[],
  status: StatusSettings,
  manner: ReceiveManner,
  host: ProgramHost,
): Daemon {
  const desk = new StatusDesk(status, host, clusters)
  const log = openLog(host, manner.log, manner.verbose, (line) => desk.onLogLine(line))
  const stop = new StopRequest(host.signals, (signal) => {
    log.fatal(
      { event: named('interrupted_again'), signal },
      'asked to stop a second time: exiting without waiting',
    )
    host.signals.exit(EXIT.failed)
  })
  // A supervisor may stop us before the first connection works, and that is no failure.
  stop.listen()
  return { desk, log, stop }
}
