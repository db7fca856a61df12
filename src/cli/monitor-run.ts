import { sleep } from '../base/index.js'
import { monitorReplication, monitorServer, monitorSlots } from '../monitor/index.js'
import { Connection, PgError } from '../pg/index.js'
import { connectionArguments } from './connection-arguments.js'
import { type MonitorSnapshot, snapshotJson, snapshotText } from './monitor-views.js'
import type { PgLogger } from './pg-logging.js'
import { EXIT, type ProgramHost } from './program-host.js'
import type { ReceiveOptionValues } from './receive-options.js'
import { reportError } from './report.js'
import { StopRequest } from './stop-request.js'

export interface MonitorCommand {
  readonly kind: 'monitor'
  /** `slots`: those alone; `status`: the server and its replicas too. */
  readonly what: 'slots' | 'status'
  readonly values: ReceiveOptionValues
  readonly json: boolean
  readonly watch: boolean
  readonly intervalMs: number
}

const CLEAR_SCREEN = '\x1b[H\x1b[2J'

/**
 * Shows slots and replicas, once or until interrupted.
 *
 * @returns the exit status
 * @throws PgError when the first look fails; later ones are reported, and a new connection tried
 */
export async function monitor(
  command: MonitorCommand,
  host: ProgramHost,
  programName: string,
  logger: PgLogger,
): Promise<number> {
  const stop = new StopRequest(host.signals, () => host.signals.exit(EXIT.failed))
  const { PGDATABASE = 'postgres' } = host.environment
  const options = {
    ...(await connectionArguments(command.values, host, programName, stop)),
    environment: { ...host.environment, PGDATABASE },
  }
  let connection = await Connection.connect(options)
  try {
    host.stdout.write(render(await look(connection, command), command))
    if (!command.watch) return EXIT.done
    stop.listen()
    while (await sleep(command.intervalMs, stop.signal)) {
      try {
        if (connection.closed) connection = await Connection.connect({ ...options, signal: stop.signal })
        const text = render(await look(connection, command), command)
        if (host.stdout.isTTY && !command.json) host.stdout.write(CLEAR_SCREEN)
        else if (!command.json) host.stdout.write('\n')
        host.stdout.write(text)
      } catch (error) {
        if (!(error instanceof PgError && error.retryable)) throw error
        reportError(logger, error)
      }
    }
    return EXIT.done
  } catch (error) {
    if (stop.signal.aborted) return EXIT.done
    throw error
  } finally {
    stop.close()
    await connection.close()
  }
}

async function look(connection: Connection, { what }: MonitorCommand): Promise<MonitorSnapshot> {
  if (what === 'slots') return { slots: await monitorSlots(connection) }
  return {
    server: await monitorServer(connection),
    slots: await monitorSlots(connection),
    replicas: await monitorReplication(connection),
  }
}

function render(snapshot: MonitorSnapshot, { json, watch }: MonitorCommand): string {
  return json ? snapshotJson(snapshot, watch ? undefined : 2) : snapshotText(snapshot)
}
