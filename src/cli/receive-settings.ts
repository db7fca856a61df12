import { opendir } from 'node:fs/promises'
import { errnoOf, errnoText, WalshipError } from '../base/index.js'
import { type CompressionSpec, parseCompression } from '../codec/index.js'
import type { Lsn } from '../wal/index.js'
import { CommandLineError } from './command-line-error.js'
import { parseEndPosition, parseStatusInterval } from './option-values.js'
import type { ReceiveOptionValues } from './receive-options.js'

/** From checked option values to what a run works with. */

export type SlotAction = 'create' | 'drop'

/** Checked settings of one run. */
export interface ReceiveSettings {
  /** Set for a slot action, which is all that is done then. */
  readonly slotAction: SlotAction | undefined
  readonly slotName: string | undefined
  /** Creating a slot that exists is no error. */
  readonly ifNotExists: boolean
  /** Undefined only for a slot action. */
  readonly directory: string | undefined
  readonly endLsn: Lsn | undefined
  readonly statusIntervalMs: number
  readonly compression: CompressionSpec
  readonly synchronous: boolean
  readonly durable: boolean
  readonly loop: boolean
  readonly verbose: boolean
}

/**
 * Settings from values that passed the checks of option-checks.ts. Looks at the compression method
 * and, unless for a slot action, whether the directory can be read.
 *
 * @throws WalshipError in PostgreSQL's words
 */
export async function prepareSettings(values: ReceiveOptionValues): Promise<ReceiveSettings> {
  const slotAction = values['create-slot'] ? 'create' : values['drop-slot'] ? 'drop' : undefined
  const compression = checkCompression(values.compress ?? 'none')
  if (slotAction === undefined) await checkDirectory(values.directory!)
  return {
    slotAction,
    slotName: values.slot,
    ifNotExists: values['if-not-exists'] ?? false,
    directory: slotAction === undefined ? values.directory : undefined,
    endLsn: values.endpos === undefined ? undefined : parseEndPosition(values.endpos),
    statusIntervalMs: parseStatusInterval(values['status-interval'] ?? '10') * 1000,
    compression,
    synchronous: values.synchronous ?? false,
    durable: !values['no-sync'],
    loop: !values['no-loop'],
    verbose: values.verbose ?? false,
  }
}

/** @throws CommandLineError */
export function checkCompression(text: string): CompressionSpec {
  try {
    return parseCompression(text)
  } catch (error) {
    throw new CommandLineError((error as Error).message, { pointsAtHelp: false, cause: error })
  }
}

/**
 * Before any connection is made, because a receiver that cannot store WAL must not reserve any.
 *
 * @throws WalshipError `CLI_DIRECTORY`
 */
export async function checkDirectory(directory: string): Promise<void> {
  try {
    // Node would take '' for the current directory.
    if (directory === '') throw Object.assign(new Error('empty path'), { code: 'ENOENT' })
    await (await opendir(directory)).close()
  } catch (error) {
    throw new WalshipError(`could not open directory "${directory}": ${errnoText(error)}`, {
      code: 'CLI_DIRECTORY',
      hint: directoryHint(errnoOf(error)),
      context: { directory },
      cause: error,
    })
  }
}

function directoryHint(errno: string | undefined): string | undefined {
  if (errno === 'ENOENT') return 'create the directory, or mount what holds it; it is never created here'
  if (errno === 'EACCES')
    return 'the user that runs this program must be able to read and write the directory'
  return undefined
}
