import { WalshipError } from '../base/index.js'
import { listWal, locate } from '../inspect/index.js'
import { openSource } from '../verify/index.js'
import type { ListSettings, LocateSettings } from './inspect-options.js'
import { listJson, listText } from './list-report.js'
import { locatedJson, locatedText } from './locate-report.js'
import type { PgLogger } from './pg-logging.js'
import type { ProgramHost } from './program-host.js'
import { reportError } from './report.js'

/** The status `walship list` and `walship locate` end with; mistakes in the command line have the last one too. */
export const INSPECT_STATUS = { found: 0, notFound: 1, couldNotLook: 2 } as const

/** `walship list`: tells what WAL is kept. @returns the exit status */
export async function list(settings: ListSettings, host: ProgramHost, logger: PgLogger): Promise<number> {
  return inspecting(logger, async () => {
    await using source = await openSource(settings.source)
    const { signal } = new AbortController()
    const found = await listWal(source, { segments: settings.segments, signal })
    host.stdout.write(settings.json ? listJson(found) : listText(found))
  })
}

/** `walship locate`: finds a place in WAL, and says how to recover to it. @returns the exit status */
export async function find(settings: LocateSettings, host: ProgramHost, logger: PgLogger): Promise<number> {
  return inspecting(logger, async () => {
    await using source = await openSource(settings.source)
    const { signal } = new AbortController()
    const found = await locate(source, settings.query, { timeline: settings.timeline, signal })
    host.stdout.write(settings.json ? locatedJson(found) : locatedText(found))
  })
}

async function inspecting(logger: PgLogger, look: () => Promise<void>): Promise<number> {
  try {
    await look()
    return INSPECT_STATUS.found
  } catch (error) {
    reportError(logger, error)
    const isAnswer = error instanceof WalshipError && error.code === 'LOCATE_NOT_FOUND'
    return isAnswer ? INSPECT_STATUS.notFound : INSPECT_STATUS.couldNotLook
  }
}
