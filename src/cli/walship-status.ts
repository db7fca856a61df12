import { sleep, WalshipError } from '../base/index.js'
import {
  type Fleet,
  fleetOf,
  renderFleetText,
  renderStatusText,
  type StatusSnapshot,
} from '../status/index.js'
import { CommandLineError } from './command-line-error.js'
import type { OptionValues } from './environment-values.js'
import type { ClusterLayers } from './option-layers.js'
import type { ProgramHost } from './program-host.js'
import { snapshotAtRest } from './status-at-rest.js'
import { httpToken } from './status-publisher.js'
import { StopRequest } from './stop-request.js'

/** What `walship status` is asked for. */
export interface StatusCommand {
  readonly values: OptionValues
  /** Of a configuration file; null: there is only what `values` names. */
  readonly clusters: readonly ClusterLayers[] | null
  /** milliseconds between two looks with --watch */
  readonly intervalMs: number
}

/** What was found, and why one of several clusters is not in it. */
interface Seen {
  readonly found: StatusSnapshot | Fleet
  readonly trouble?: Error
}

/** Shown, and the data is in danger. 1 and 2 mean that nothing could be shown. */
const EXIT_IN_DANGER = 3
const ASK_LIMIT_MS = 10_000
const CLEAR_SCREEN = '\u001b[2J\u001b[H'

/**
 * `walship status`: one screen, of a running walship or of directories and stores.
 *
 * @returns the exit status
 * @throws WalshipError when nothing can be told; with --watch it is shown instead
 */
export async function status(command: StatusCommand, host: ProgramHost): Promise<number> {
  const { values } = command
  const take = await statusSource(command, host)
  const color = host.stdout.isTTY === true && !host.environment.NO_COLOR
  const show = (found: StatusSnapshot | Fleet) => {
    if (values.json === true) return `${JSON.stringify(found)}\n`
    return isFleet(found) ? renderFleetText(found, { color }) : renderStatusText(found, { color })
  }
  if (values.watch !== true) {
    const { found, trouble } = await take()
    host.stdout.write(show(found))
    if (trouble !== undefined) throw trouble
    return (isFleet(found) ? found.level : found.verdict.level) === 'danger' ? EXIT_IN_DANGER : 0
  }
  const stop = new StopRequest(host.signals, () => host.signals.exit(0))
  stop.listen()
  try {
    do {
      const text = await take().then(
        ({ found, trouble }) => show(found) + (trouble === undefined ? '' : `\n${trouble.message}\n`),
        (error: Error) => `${error.message}\n`,
      )
      host.stdout.write(host.stdout.isTTY ? CLEAR_SCREEN + text : text)
    } while (await sleep(command.intervalMs, stop.signal))
  } finally {
    stop.close()
  }
  return 0
}

function isFleet(found: StatusSnapshot | Fleet): found is Fleet {
  return 'clusters' in found
}

async function statusSource(
  { values, clusters }: StatusCommand,
  host: ProgramHost,
): Promise<() => Promise<Seen>> {
  const { url, cluster, directory, store } = values
  if (typeof url === 'string') {
    const tokenFile = values['http-token-file']
    const token = await httpToken(typeof tokenFile === 'string' ? tokenFile : undefined, host.environment)
    return async () => ({ found: await ask(url, typeof cluster === 'string' ? cluster : undefined, token) })
  }
  const [first] = clusters ?? []
  if (clusters === null || first === undefined) {
    if (directory === undefined && store === undefined)
      throw new CommandLineError('nothing to look at', {
        pointsAtHelp: true,
        hint: 'name a running walship by --url, or a directory by -D, a store by --store, or both',
      })
    return async () => ({ found: await snapshotAtRest(null, values, host) })
  }
  if (clusters.length === 1) return async () => ({ found: await snapshotAtRest(first.name, first.all, host) })
  return () => lookAtAll(clusters, host)
}

/** @throws what the first has failed with, when all have */
async function lookAtAll(clusters: readonly ClusterLayers[], host: ProgramHost): Promise<Seen> {
  const snapshots: StatusSnapshot[] = []
  let trouble: Error | undefined
  // One after the other: each lists a store.
  for (const { name, all, explain } of clusters) {
    try {
      snapshots.push(await snapshotAtRest(name, all, host))
    } catch (error) {
      trouble ??= explain(error) as Error
    }
  }
  if (snapshots.length === 0) throw trouble
  return { found: fleetOf(snapshots), trouble }
}

/** @throws WalshipError `CLI_STATUS_URL` */
async function ask(
  url: string,
  cluster: string | undefined,
  token: string | undefined,
): Promise<StatusSnapshot | Fleet> {
  const failed = (why: string, hint: string, cause?: unknown) =>
    new WalshipError(`could not ask the walship at ${url}: ${why}`, { code: 'CLI_STATUS_URL', hint, cause })
  if (!URL.canParse(url)) throw failed('this is no URL', 'use one such as http://localhost:9187')
  const target = new URL('status.json', url.endsWith('/') ? url : `${url}/`)
  if (cluster !== undefined) target.searchParams.set('cluster', cluster)
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  let answer: Response
  try {
    answer = await fetch(target, { headers, signal: AbortSignal.timeout(ASK_LIMIT_MS) })
  } catch (error) {
    const reason =
      (error as Error).cause instanceof Error ? (error as { cause: Error }).cause : (error as Error)
    throw failed(reason.message, 'is it running, and with --http at this address?', error)
  }
  if (answer.status === 401)
    throw failed('it wants a token', 'give it by --http-token-file or WALSHIP_HTTP_TOKEN')
  if (answer.status === 404 && cluster !== undefined)
    throw failed(`it has no cluster "${cluster}"`, 'leave --cluster away to see all that it has')
  if (!answer.ok) throw failed(`it answered ${answer.status}`, 'is this the address of --http?')
  const found = (await answer.json().catch(() => null)) as StatusSnapshot | Fleet | null
  if (found?.formatVersion !== 1)
    throw failed(
      'the answer is not one this version understands',
      'use the same version of walship here and there',
    )
  return found
}
