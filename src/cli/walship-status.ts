import { sleep, WalshipError } from '../base/index.js'
import { renderStatusText, type StatusSnapshot } from '../status/index.js'
import { CommandLineError } from './command-line-error.js'
import type { OptionValues } from './environment-values.js'
import type { ProgramHost } from './program-host.js'
import { snapshotAtRest } from './status-at-rest.js'
import { httpToken } from './status-publisher.js'
import { StopRequest } from './stop-request.js'

/** Shown, and the data is in danger. 1 and 2 mean that nothing could be shown. */
const EXIT_IN_DANGER = 3
const ASK_LIMIT_MS = 10_000
const CLEAR_SCREEN = '\u001b[2J\u001b[H'

/**
 * `walship status`: one screen, of a running walship or of a directory and a store.
 *
 * @param intervalMs milliseconds between two looks with --watch
 * @returns the exit status
 * @throws WalshipError when nothing can be told; with --watch it is shown instead
 */
export async function status(values: OptionValues, intervalMs: number, host: ProgramHost): Promise<number> {
  const take = await snapshotSource(values, host)
  const color = host.stdout.isTTY === true && !host.environment.NO_COLOR
  const show = (snapshot: StatusSnapshot) =>
    values.json === true ? `${JSON.stringify(snapshot)}\n` : renderStatusText(snapshot, { color })
  if (values.watch !== true) {
    const snapshot = await take()
    host.stdout.write(show(snapshot))
    return snapshot.verdict.level === 'danger' ? EXIT_IN_DANGER : 0
  }
  const stop = new StopRequest(host.signals, () => host.signals.exit(0))
  stop.listen()
  try {
    do {
      const text = await take().then(show, (error: Error) => `${error.message}\n`)
      host.stdout.write(host.stdout.isTTY ? CLEAR_SCREEN + text : text)
    } while (await sleep(intervalMs, stop.signal))
  } finally {
    stop.close()
  }
  return 0
}

async function snapshotSource(
  values: OptionValues,
  host: ProgramHost,
): Promise<() => Promise<StatusSnapshot>> {
  const { url, directory, store } = values
  if (typeof url === 'string') {
    const tokenFile = values['http-token-file']
    const token = await httpToken(typeof tokenFile === 'string' ? tokenFile : undefined, host.environment)
    return () => ask(url, token)
  }
  if (directory === undefined && store === undefined)
    throw new CommandLineError('nothing to look at', {
      pointsAtHelp: true,
      hint: 'name a running walship by --url, or a directory by -D, a store by --store, or both',
    })
  return () => snapshotAtRest(values, host)
}

/** @throws WalshipError `CLI_STATUS_URL` */
async function ask(url: string, token: string | undefined): Promise<StatusSnapshot> {
  const failed = (why: string, hint: string, cause?: unknown) =>
    new WalshipError(`could not ask the walship at ${url}: ${why}`, { code: 'CLI_STATUS_URL', hint, cause })
  if (!URL.canParse(url)) throw failed('this is no URL', 'use one such as http://localhost:9187')
  const target = new URL('status.json', url.endsWith('/') ? url : `${url}/`)
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
  if (!answer.ok) throw failed(`it answered ${answer.status}`, 'is this the address of --http?')
  const snapshot = (await answer.json().catch(() => null)) as StatusSnapshot | null
  if (snapshot?.formatVersion !== 1)
    throw failed(
      'the answer is not one this version understands',
      'use the same version of walship here and there',
    )
  return snapshot
}
