import type { WalSourceSpec } from '../verify/index.js'
import { isSegmentFileName, type Lsn, parseLsn } from '../wal/index.js'
import { CommandLineError } from './command-line-error.js'
import { tooMany } from './command-line-mistakes.js'
import { type OptionValues, repeatedValues } from './environment-values.js'
import { JSON_OPTION, PLACE_OPTIONS, wantedSource } from './place-options.js'
import type { WalshipOption } from './receive-options.js'

/** Options of `walship prune`. */
export const PRUNE_OPTIONS: readonly WalshipOption[] = [
  ...PLACE_OPTIONS.map((option) =>
    option.name === 'directory'
      ? {
          ...option,
          description: 'remove WAL from this directory',
          details: 'One that nothing is shipped from: there `walship receive --keep-local` removes files.',
        }
      : option,
  ),
  {
    name: 'keep-for',
    argument: 'AGE',
    section: 'Options',
    description: 'keep what is needed to recover to any moment of so long',
    details:
      'Such as `14d`, `12h` or `90min`, up to the newest commit. With backups named or found, from the newest one on that ' +
      'had ended before.',
  },
  {
    name: 'keep-backups',
    argument: 'COUNT',
    section: 'Options',
    description: 'keep what the newest backups need',
    details: 'Of those that are named, or that left their `.backup` file in the directory.',
  },
  {
    name: 'backup',
    argument: 'PATH',
    section: 'Options',
    description: 'a base backup; may be repeated',
    repeatable: true,
    details:
      'Its directory, its `backup_manifest` or `backup_label`, or a `.backup` file. Without --keep-for and --keep-backups ' +
      'all that are named are kept.',
  },
  {
    name: 'backup-lsn',
    argument: 'LSN',
    section: 'Options',
    description: 'the same by the position at which a backup began; may be repeated',
    repeatable: true,
    details: '`2@16/B374D848` is one on timeline 2. Without a timeline it counts for all of them.',
  },
  {
    name: 'before',
    argument: 'LSN',
    section: 'Options',
    description: 'remove what is before the segment with this position, on every timeline',
  },
  {
    name: 'before-segment',
    argument: 'NAME',
    section: 'Options',
    description: 'the same by the name of the first segment that stays',
    details: 'As `archive_cleanup_command` has it in `%r`.',
  },
  {
    name: 'apply',
    section: 'Options',
    description: 'remove it, and do not only show what would go',
  },
  {
    name: 'ignore-gaps',
    section: 'Options',
    description: 'remove although WAL that is to be kept is missing',
  },
  JSON_OPTION,
]

export interface PruneSettings {
  readonly source: WalSourceSpec
  readonly keepForMs: number | null
  readonly keepBackups: number | null
  /** Paths. */
  readonly backups: readonly string[]
  readonly backupPositions: readonly { readonly lsn: Lsn; readonly timeline: number | null }[]
  readonly before: { readonly lsn: Lsn } | { readonly segmentName: string } | null
  readonly apply: boolean
  readonly ignoreGaps: boolean
  readonly json: boolean
}

const AGE_UNITS: Readonly<Record<string, number>> = { s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }
const MAX_BACKUPS = 100_000
const RULES = ['keep-for', 'keep-backups', 'backup', 'backup-lsn', 'before', 'before-segment']

/** @throws CommandLineError */
export function pruneSettings(
  given: OptionValues,
  beneath: OptionValues,
  operands: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): PruneSettings {
  if (operands.length > 0) throw tooMany(operands[0]!)
  if (!RULES.some((name) => given[name] !== undefined))
    throw new CommandLineError('no rule says what is to be kept', {
      pointsAtHelp: true,
      hint: `use one of ${RULES.map((name) => `--${name}`).join(', ')}`,
    })
  if (given.before !== undefined && given['before-segment'] !== undefined)
    throw new CommandLineError('cannot use --before together with --before-segment', { pointsAtHelp: true })
  return {
    source: wantedSource(given, beneath, environment),
    keepForMs: given['keep-for'] === undefined ? null : age(String(given['keep-for'])),
    keepBackups: given['keep-backups'] === undefined ? null : backupCount(String(given['keep-backups'])),
    backups: repeatedValues(given.backup),
    backupPositions: repeatedValues(given['backup-lsn']).map(backupPosition),
    before: before(given),
    apply: given.apply === true,
    ignoreGaps: given['ignore-gaps'] === true,
    json: given.json === true,
  }
}

function age(text: string): number {
  const [, digits, unit] = /^(\d{1,9})(s|min|h|d)$/.exec(text) ?? []
  if (digits !== undefined && Number(digits) > 0) return Number(digits) * AGE_UNITS[unit!]!
  throw invalid('keep-for', text, 'use an age such as 14d, 12h or 90min')
}

function backupCount(text: string): number {
  if (/^\d{1,6}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_BACKUPS) return Number(text)
  throw invalid('keep-backups', text, `use a whole number from 1 to ${MAX_BACKUPS}`)
}

function backupPosition(text: string): PruneSettings['backupPositions'][number] {
  const [, timeline, lsn] = /^(?:(\d{1,10})@)?([^@]+)$/.exec(text) ?? []
  const hint = 'use a position such as 16/B374D848, or one on a timeline such as 2@16/B374D848'
  if (lsn === undefined || Number(timeline ?? 1) < 1) throw invalid('backup-lsn', text, hint)
  return {
    lsn: position('backup-lsn', lsn, hint),
    timeline: timeline === undefined ? null : Number(timeline),
  }
}

function before(given: OptionValues): PruneSettings['before'] {
  if (given.before !== undefined)
    return { lsn: position('before', String(given.before), 'use a position such as 16/B374D848') }
  if (given['before-segment'] === undefined) return null
  const text = String(given['before-segment'])
  // As pg_archivecleanup takes it: also the name of a partial segment, or of a backup's history file.
  const name = /^([0-9A-F]{24})(?:\.partial|\.[0-9A-F]{8}\.backup)?$/.exec(text)?.[1] ?? ''
  if (isSegmentFileName(name)) return { segmentName: name }
  throw invalid('before-segment', text, 'use the name of a segment, 24 digits')
}

function position(name: string, text: string, hint: string): Lsn {
  try {
    return parseLsn(text)
  } catch (error) {
    throw invalid(name, text, hint, error)
  }
}

function invalid(name: string, text: string, hint: string, cause?: unknown): CommandLineError {
  return new CommandLineError(`invalid value "${text}" for option --${name}`, {
    pointsAtHelp: false,
    hint,
    cause,
  })
}
