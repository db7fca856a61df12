import { backoffDelayMs, sleep, WalshipError } from '../base/index.js'
import {
  controlFileFor,
  type RestoreAnswer,
  readSystemIdentifier,
  restoreFile,
  type Spool,
  SpoolLock,
} from '../restore/index.js'
import { isSegmentFileName } from '../wal/index.js'
import { CommandLineError } from './command-line-error.js'
import { readFetchCommand } from './fetch-command.js'
import type { FetchHost } from './fetch-host.js'
import type { FetchCommand } from './fetch-options.js'
import { ensurePrefetcher, spoolFor } from './fetch-spool.js'
import { FETCH_STATUS } from './fetch-status.js'
import { openArchive } from './fetch-store.js'
import { PgLogger } from './pg-logging.js'
import { reportError, reportWarning } from './report.js'

/** Waits between tries while the store cannot be reached. */
const BACKOFF = { initialMs: 250, maxMs: 5_000 }

/** Errors that pass by themselves. Wrong credentials or a missing bucket need a person, and soon. */
const PASSING = new Set(['STORE_UNREACHABLE', 'STORE_THROTTLED'])

/** How long to wait for a segment that is on its way into the spool, in milliseconds. */
const MAX_WAIT_MS = 10_000
const POLL_MS = 5

/**
 * `walship fetch` when the spool has no answer: to the archive.
 *
 * @returns the exit status; every error is reported and becomes one that keeps a server from promoting
 */
export async function runFetch(host: FetchHost): Promise<number> {
  const logger = new PgLogger('walship', host.stderr, host.environment)
  try {
    return FETCH_STATUS[await fetchFromArchive(host, await readFetchCommand(host), logger)]
  } catch (error) {
    reportError(logger, error)
    if (error instanceof CommandLineError && error.pointsAtHelp)
      logger.hint('Try "walship fetch --help" for more information.')
    return FETCH_STATUS.cannotTell
  }
}

async function fetchFromArchive(
  host: FetchHost,
  command: FetchCommand,
  logger: PgLogger,
): Promise<RestoreAnswer> {
  const { name, target } = command
  const { workingDirectory } = host
  const options = host.arguments.filter((word) => word !== name && word !== target)
  const spool = preparedSpool(host, command, options)
  const isSegment = isSegmentFileName(name)
  const fetchAhead = () => {
    if (spool !== null && command.prefetchCount > 0) ensurePrefetcher(host, spool, { name, target, options })
  }
  if (spool !== null && isSegment) {
    tryTo(() => spool.noteAsked(name))
    if (await takeFromPrefetcher(host, spool, command)) {
      fetchAhead()
      return 'restored'
    }
  }
  const answer = await retrying(command.retryForMs, logger, async () => {
    await using opened = await openArchive(command.values, host)
    const { archive } = opened
    // With await: else the store would be closed before it is asked.
    return await restoreFile({
      name,
      target,
      archive,
      workingDirectory,
      cacheDirectory: spool?.directory ?? null,
    })
  })
  if (isSegment && answer === 'restored') fetchAhead()
  // A server that ends recovery looks for a timeline that nobody uses yet: what is left will not be wanted.
  if (spool !== null && name.endsWith('.history') && answer === 'missing') removeLeftOvers(host, spool)
  return answer
}

/** A spool that cannot be made costs speed, not the answer. */
function preparedSpool(host: FetchHost, command: FetchCommand, options: readonly string[]): Spool | null {
  const spool = spoolFor(host, command.target, command.spool, options)
  if (spool === null) return null
  try {
    spool.create()
    return spool
  } catch {
    return null
  }
}

/** Waits for a segment that a prefetcher is bringing, instead of downloading it a second time. */
async function takeFromPrefetcher(
  host: FetchHost,
  spool: Spool,
  { name, target }: FetchCommand,
): Promise<boolean> {
  const controlFile = controlFileFor(target, host.workingDirectory)
  const lock = new SpoolLock(spool.directory, (pid) => host.isRunning(pid))
  const deadline = Date.now() + MAX_WAIT_MS
  for (;;) {
    // In this order: when it is neither on its way nor there, it has not been missed in between.
    const onItsWay = spool.isBeingFetched(name) && lock.isHeld()
    if (tryTo(() => spool.take(name, target, readSystemIdentifier(controlFile)))) return true
    if (!onItsWay || Date.now() > deadline) return false
    await sleep(POLL_MS)
  }
}

/**
 * An outage that passes should not stop a server, and none may make it promote: so we wait, and while
 * we wait, the server does.
 */
async function retrying<T>(forMs: number, logger: PgLogger, attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + forMs
  for (let count = 1; ; count++) {
    try {
      return await attempt()
    } catch (error) {
      const delayMs = backoffDelayMs(BACKOFF, count)
      if (!isPassing(error) || Date.now() + delayMs > deadline) throw error
      if (count === 1) reportWarning(logger, error)
      await sleep(delayMs)
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof WalshipError && PASSING.has(error.code)
}

function removeLeftOvers(host: FetchHost, spool: Spool): void {
  if (new SpoolLock(spool.directory, (pid) => host.isRunning(pid)).isHeld()) return
  for (const name of spool.segments()) spool.remove(name)
}

/** For steps that only save time: the long way meets the same trouble, and can explain it. */
function tryTo<T>(step: () => T): T | null {
  try {
    return step()
  } catch {
    return null
  }
}
