import type { Logger } from 'pino'
import { type Backoff, backoffDelayMs, sleep, WalshipError } from '../base/index.js'
import type { ClusterCommand } from './cluster-command.js'
import type { ClusterStatus } from './cluster-status.js'
import { runOwned } from './failure-owner.js'
import { errorFields, named } from './log-events.js'
import { EXIT, type ProgramHost } from './program-host.js'
import { receiveCluster } from './receive-cluster.js'
import { prepareSettings } from './receive-settings.js'
import type { StatusDesk } from './status-desk.js'
import type { StopRequest } from './stop-request.js'

export interface KeepContext {
  readonly host: ProgramHost
  readonly programName: string
  readonly log: Logger
  readonly desk: StatusDesk
  readonly stop: StopRequest
}

/** Between two tries of a cluster that a person has to mend: as a supervisor does with a process, but rarer. */
const BACKOFF: Backoff = { initialMs: 10_000, maxMs: 300_000 }

/** What ran for so long was well. */
const WELL_AFTER_MS = 600_000

/**
 * After a failure that nobody caught, a cluster gets so long to close what it has. Its directory must not have a
 * second receiver while the first one may still write.
 */
const CLOSE_LIMIT_MS = 60_000

/**
 * Receives from several clusters side by side. None of them hears of another's trouble: one that ends with an error is
 * tried anew, in the place of a supervisor that would do so with a process.
 *
 * @returns false when one was not stopped in an orderly way, or may not be tried anew and has failed
 */
export async function keepClusters(
  clusters: readonly ClusterCommand[],
  context: KeepContext,
): Promise<boolean> {
  const outcomes = clusters.map((command, index) => {
    const log = context.log.child({ cluster: command.name })
    return keep(command, context, log, context.desk.clusters[index]!)
  })
  return (await Promise.all(outcomes)).every((isWhole) => isWhole)
}

async function keep(
  command: ClusterCommand,
  context: KeepContext,
  log: Logger,
  status: ClusterStatus,
): Promise<boolean> {
  const { signal } = context.stop
  for (let attempt = 1; ; attempt += 1) {
    const begun = performance.now()
    try {
      const reason = await runOnce(command, context, log, status)
      const text = reason === 'endpos' ? 'end position reached' : 'stopped on request'
      log.info({ event: named('cluster_ended'), reason }, text)
      return true
    } catch (thrown) {
      const error = asKnown(thrown)
      if (performance.now() - begun > WELL_AFTER_MS) attempt = 1
      const goesOn = !signal.aborted && command.values['no-loop'] !== true
      const delayMs = goesOn ? backoffDelayMs(BACKOFF, attempt) : undefined
      log.error({ event: named('cluster_failed'), delayMs, ...errorFields(error) }, error.message)
      status.onBreakdown(error)
      if (delayMs === undefined) return false
      if (!(await sleep(delayMs, signal))) return true
    }
  }
}

/** One run, from its settings to its end. What nobody in it has caught ends it too, and nothing else. */
async function runOnce(
  command: ClusterCommand,
  { host, programName, stop }: KeepContext,
  log: Logger,
  status: ClusterStatus,
): Promise<'aborted' | 'endpos'> {
  const ended = new AbortController()
  let isOver = false
  let uncaught: WalshipError | null = null
  let limit: NodeJS.Timeout | undefined
  const fail = (error: unknown) => {
    if (isOver || uncaught !== null) {
      log.warn({ event: named('warning'), ...errorFields(asKnown(error)) }, 'something failed after the end')
      return
    }
    uncaught = asKnown(error)
    ended.abort()
    limit = setTimeout(() => {
      log.fatal(
        { event: named('failed'), code: 'CLI_CLUSTER_STUCK', cause: uncaught?.message },
        'a cluster that has failed does not end: the program ends, so that all begin anew',
      )
      host.signals.exit(EXIT.failed)
    }, CLOSE_LIMIT_MS)
  }
  try {
    const reason = await runOwned(fail, async () => {
      const settings = await prepareSettings(command.values)
      const signal = AbortSignal.any([stop.signal, ended.signal])
      return receiveCluster(command, settings, { host, programName, log, status, stop, signal })
    })
    if (uncaught === null) return reason
  } catch (error) {
    // What follows from it is not what is to be told.
    throw uncaught ?? error
  } finally {
    isOver = true
    clearTimeout(limit)
  }
  throw uncaught
}

function asKnown(thrown: unknown): WalshipError {
  if (thrown instanceof WalshipError) return thrown
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  return new WalshipError(`unexpected failure: ${text}`, {
    code: 'CLI_UNEXPECTED',
    hint: 'this is a mistake in walship: please report it, with this text',
    cause: thrown,
  })
}
