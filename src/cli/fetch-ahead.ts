import { writeFileSync } from 'node:fs'
import { prefetch, type Spool, SpoolLock } from '../restore/index.js'
import { readFetchCommand } from './fetch-command.js'
import type { FetchHost } from './fetch-host.js'
import type { FetchCommand } from './fetch-options.js'
import { fetchWords, spoolFor } from './fetch-spool.js'
import { openArchive } from './fetch-store.js'
import { redactSecrets } from './redact.js'

/**
 * `walship fetch-ahead`: what `walship fetch` starts to bring the next segments. Nobody is told when it fails, a
 * server's log least of all; the reason is left in the spool.
 *
 * @returns the exit status, which is always 0: in a container the server may be process 1 and so inherit this
 *   process, and it takes another status of an unknown child for the crash of one of its own
 */
export async function runFetchAhead(host: FetchHost): Promise<0> {
  const words = fetchWords(host.arguments)
  if (words === null) return 0
  const command = await readFetchCommand(host)
  const spool = spoolFor(host, command.target, command.spool, words.options)
  if (spool === null || command.prefetchCount === 0) return 0
  const lock = new SpoolLock(spool.directory, (pid) => host.isRunning(pid))
  if (!lock.acquire(host.processId)) return 0
  const lost = new AbortController()
  lock.keep(host.processId, () => lost.abort())
  try {
    await fetchAhead(host, command, spool, lost.signal)
  } catch (error) {
    const text = redactSecrets(error instanceof Error ? error.message : String(error))
    writeFileSync(spool.path('prefetch.error'), `${text}\n`, { mode: 0o600 })
  } finally {
    lock.release(host.processId)
  }
  return 0
}

async function fetchAhead(
  host: FetchHost,
  command: FetchCommand,
  spool: Spool,
  signal: AbortSignal,
): Promise<void> {
  await using opened = await openArchive(command.values, host)
  const { target, prefetchCount } = command
  const { workingDirectory } = host
  await prefetch({ spool, archive: opened.archive, target, workingDirectory, count: prefetchCount }, signal)
}
