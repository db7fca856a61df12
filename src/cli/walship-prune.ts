import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { ARCHIVED_MARKS_FILE } from '../archive/index.js'
import { indexedCommits, readCommits } from '../inspect/index.js'
import {
  ArchiveWal,
  applyPrune,
  type CommitTimeSource,
  DirectoryWal,
  type KnownBackup,
  type PrunableWal,
  PruneError,
  type PrunePlan,
  planPrune,
  readBackup,
} from '../prune/index.js'
import { openSource, type WalSource } from '../verify/index.js'
import { formatLsn } from '../wal/index.js'
import { openArchive } from './fetch-store.js'
import type { PgLogger } from './pg-logging.js'
import type { ProgramHost } from './program-host.js'
import type { PruneSettings } from './prune-options.js'
import { pruneJson, pruneText } from './prune-report.js'
import { reportError } from './report.js'
import { StopRequest } from './stop-request.js'

/** The status `walship prune` ends with; mistakes in the command line have the last one too. */
export const PRUNE_STATUS = { done: 0, refused: 1, failed: 2 } as const

/** `walship prune`: removes the WAL that nothing that is kept needs. @returns the exit status */
export async function prune(settings: PruneSettings, host: ProgramHost, logger: PgLogger): Promise<number> {
  // A word of the SDK about its plans for old versions of Node.js is nothing for a timer's or a server's log.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  const stop = new StopRequest(host.signals, () => host.signals.exit(PRUNE_STATUS.failed))
  stop.listen()
  try {
    await using source = await openSource(settings.source)
    await using place = await openPlace(settings, source, host)
    const plan = await planPrune({
      wal: place.wal,
      rules: {
        keepForMs: settings.keepForMs,
        keepBackups: settings.keepBackups,
        backups: await namedBackups(settings),
        before: settings.before,
      },
      times: commitTimesOf(source, settings),
      now: new Date(),
      signal: stop.signal,
    })
    const isRefused = plan.problems.length > 0 && !settings.ignoreGaps
    const result = settings.apply && !isRefused ? await applyPrune(place.wal, plan, stop.signal) : null
    host.stdout.write(settings.json ? pruneJson(plan, result) : pruneText(plan, result))
    if (isRefused) tellRefusal(plan, settings, logger)
    return isRefused ? PRUNE_STATUS.refused : PRUNE_STATUS.done
  } catch (error) {
    if (!stop.signal.aborted) reportError(logger, error)
    else logger.error('interrupted: what was removed by then is gone, and what is left is whole')
    return PRUNE_STATUS.failed
  } finally {
    stop.close()
  }
}

function tellRefusal({ problems }: PrunePlan, { apply }: PruneSettings, logger: PgLogger): void {
  for (const { text } of problems) logger.error(text)
  logger.hint(
    `nothing ${apply ? 'was' : 'would be'} removed: see walship verify for what is damaged; --ignore-gaps removes all the same`,
  )
}

interface OpenPlace extends AsyncDisposable {
  readonly wal: PrunableWal
}

/** @throws PruneError `PRUNE_SHIPPING` */
async function openPlace(
  { source: spec }: PruneSettings,
  source: WalSource,
  host: ProgramHost,
): Promise<OpenPlace> {
  if (spec.kind === 'archive') {
    const opened = await openArchive(spec.values, host)
    return { wal: new ArchiveWal(opened.archive), [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
  }
  const { path } = spec
  const isShipped = await access(join(path, ARCHIVED_MARKS_FILE)).then(
    () => true,
    () => false,
  )
  if (isShipped)
    throw new PruneError(`walship receive ships from directory "${path}"`, {
      code: 'PRUNE_SHIPPING',
      hint: 'let it remove files by --keep-local: it knows which of them the archive has',
    })
  const wal = new DirectoryWal({
    path,
    readHistory: (timeline, signal) => source.readHistory(timeline, signal),
  })
  return { wal, [Symbol.asyncDispose]: async () => {} }
}

/** @throws PruneError `PRUNE_BACKUP` */
async function namedBackups({ backups, backupPositions }: PruneSettings): Promise<KnownBackup[]> {
  const byPosition = backupPositions.map(({ lsn, timeline }) => {
    return { name: formatLsn(lsn), start: lsn, end: null, timeline, systemIdentifier: null }
  })
  return [...byPosition, ...(await Promise.all(backups.map(readBackup)))]
}

function commitTimesOf(source: WalSource, { source: { kind } }: PruneSettings): CommitTimeSource {
  return {
    isNear: kind === 'directory',
    indexed: (file, signal) => indexedCommits(source, file, signal),
    read: (file, segmentSize, signal) => readCommits(source, file, segmentSize, signal),
  }
}
