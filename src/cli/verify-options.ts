import { availableParallelism } from 'node:os'
import type { StartChoice, WalSourceSpec } from '../verify/index.js'
import { parseLsn } from '../wal/index.js'
import { CommandLineError } from './command-line-error.js'
import { tooMany } from './command-line-mistakes.js'
import type { OptionValues } from './environment-values.js'
import { JSON_OPTION, PLACE_OPTIONS, wantedSource } from './place-options.js'
import type { WalshipOption } from './receive-options.js'

/** Options of `walship verify`. */
export const VERIFY_OPTIONS: readonly WalshipOption[] = [
  ...PLACE_OPTIONS,
  {
    name: 'from',
    argument: 'LSN',
    section: 'Options',
    description: 'begin with the segment that holds this position',
    details: 'By default with the oldest WAL there is.',
  },
  {
    name: 'from-time',
    argument: 'TIME',
    section: 'Options',
    description: 'begin before the first commit after this time',
    details: 'As in `2026-03-01 12:00:00+01`; without a zone in the one of this machine.',
  },
  {
    name: 'from-backup',
    argument: 'FILE',
    section: 'Options',
    description: 'begin where this base backup begins',
    details: 'Its backup_label, or the `.backup` file that its end left in pg_wal.',
  },
  {
    name: 'jobs',
    short: 'j',
    argument: 'COUNT',
    section: 'Options',
    description: 'threads that check',
    variable: 'WALSHIP_VERIFY_JOBS',
    defaultText: 'one for each processor',
  },
  JSON_OPTION,
]

export interface VerifySettings {
  readonly source: WalSourceSpec
  readonly start: StartChoice | undefined
  readonly jobs: number
  readonly json: boolean
}

const MAX_JOBS = 256

/**
 * @param given from the command line
 * @param fromEnvironment counts where nothing was given
 * @throws CommandLineError
 */
export function verifySettings(
  given: OptionValues,
  fromEnvironment: OptionValues,
  operands: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): VerifySettings {
  if (operands.length > 0) throw tooMany(operands[0]!)
  const values = { ...fromEnvironment, ...given }
  return {
    source: wantedSource(given, fromEnvironment, environment),
    start: startChoice(values),
    jobs: jobCount(values.jobs),
    json: values.json === true,
  }
}

function startChoice(values: OptionValues): StartChoice | undefined {
  const names = ['from', 'from-time', 'from-backup'].filter((name) => typeof values[name] === 'string')
  if (names.length > 1)
    throw new CommandLineError(`cannot use --${names[0]} together with --${names[1]}`, { pointsAtHelp: true })
  const text = String(values[names[0] ?? ''])
  switch (names[0]) {
    case 'from':
      try {
        return { kind: 'lsn', lsn: parseLsn(text) }
      } catch (error) {
        throw invalid('from', text, 'use a position such as 16/B374D848', error)
      }
    case 'from-time': {
      const time = new Date(text)
      if (Number.isNaN(time.getTime()))
        throw invalid('from-time', text, 'use a time such as 2026-03-01 12:00:00+01')
      return { kind: 'time', time }
    }
    case 'from-backup':
      return { kind: 'backup', path: text }
    default:
      return undefined
  }
}

function jobCount(value: string | boolean | undefined): number {
  if (typeof value !== 'string') return availableParallelism()
  const count = Number(value)
  if (/^[0-9]+$/.test(value) && count >= 1 && count <= MAX_JOBS) return count
  throw invalid('jobs', value, `use a whole number from 1 to ${MAX_JOBS}`)
}

function invalid(name: string, value: string, hint: string, cause?: unknown): CommandLineError {
  return new CommandLineError(`invalid value "${value}" for option --${name}`, {
    pointsAtHelp: false,
    hint,
    cause,
  })
}
