import type { LocateQuery } from '../inspect/index.js'
import type { WalSourceSpec } from '../verify/index.js'
import { parseLsn, parsePgTime } from '../wal/index.js'
import { CommandLineError } from './command-line-error.js'
import { tooMany } from './command-line-mistakes.js'
import type { OptionValues } from './environment-values.js'
import { JSON_OPTION, PLACE_OPTIONS, wantedSource } from './place-options.js'
import type { WalshipOption } from './receive-options.js'

/** Options of `walship list`. */
export const LIST_OPTIONS: readonly WalshipOption[] = [
  ...PLACE_OPTIONS,
  {
    name: 'segments',
    section: 'Options',
    description: 'tell of each segment, not only of ranges',
    details: 'Commits, transactions and full-page images of each.',
  },
  JSON_OPTION,
]

/** Options of `walship locate`. */
export const LOCATE_OPTIONS: readonly WalshipOption[] = [
  ...PLACE_OPTIONS,
  {
    name: 'time',
    argument: 'TIME',
    section: 'Options',
    description: 'find the place after the last commit up to a time',
    details: 'As in `2026-03-01 12:00:00.5+01`; without a zone in the one of this machine.',
  },
  {
    name: 'xid',
    argument: 'XID',
    section: 'Options',
    description: 'find the end of a transaction',
    details: 'Also of a subtransaction. Ids come back after 4 billion transactions: the newest is found.',
  },
  { name: 'lsn', argument: 'LSN', section: 'Options', description: 'find the record at a position' },
  {
    name: 'restore-point',
    argument: 'NAME',
    section: 'Options',
    description: 'find a restore point, the newest of that name',
    details: 'Made by `pg_create_restore_point`.',
  },
  {
    name: 'before-drop',
    argument: 'NUMBER',
    section: 'Options',
    description: 'find what dropped a table, or emptied it',
    details:
      'By the OID of the table, the number of its file, or the OID of a database. DROP first; else TRUNCATE and ' +
      'whatever else gave the table a new file.',
  },
  {
    name: 'around',
    argument: 'TIME',
    section: 'Options',
    description: 'list the transactions that ended near a time',
  },
  {
    name: 'window',
    argument: 'SECS',
    section: 'Options',
    description: 'with --around: seconds before and after the time',
    defaultText: '60',
  },
  {
    name: 'timeline',
    argument: 'TLI',
    section: 'Options',
    description: 'look in the WAL that leads to this timeline',
    details: 'By default the newest.',
  },
  JSON_OPTION,
]

export interface ListSettings {
  readonly source: WalSourceSpec
  readonly segments: boolean
  readonly json: boolean
}

export interface LocateSettings {
  readonly source: WalSourceSpec
  readonly query: LocateQuery
  readonly timeline: number | undefined
  readonly json: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

/** @throws CommandLineError */
export function listSettings(
  given: OptionValues,
  fromEnvironment: OptionValues,
  operands: readonly string[],
  environment: Environment,
): ListSettings {
  if (operands.length > 0) throw tooMany(operands[0]!)
  const source = wantedSource(given, fromEnvironment, environment)
  return { source, segments: given.segments === true, json: given.json === true }
}

/** @throws CommandLineError */
export function locateSettings(
  given: OptionValues,
  fromEnvironment: OptionValues,
  operands: readonly string[],
  environment: Environment,
): LocateSettings {
  if (operands.length > 0) throw tooMany(operands[0]!)
  return {
    source: wantedSource(given, fromEnvironment, environment),
    query: queryFrom(given),
    timeline: given.timeline === undefined ? undefined : wholeNumber('timeline', given, 0xffff_ffff),
    json: given.json === true,
  }
}

const QUESTIONS = ['time', 'xid', 'lsn', 'restore-point', 'before-drop', 'around']
const MAX_WINDOW_S = 86_400 * 366
const MAX_UINT32 = 0xffff_ffff

function queryFrom(given: OptionValues): LocateQuery {
  const names = QUESTIONS.filter((name) => given[name] !== undefined)
  if (names.length !== 1)
    throw new CommandLineError(
      names.length === 0
        ? 'nothing to look for was named'
        : `cannot use --${names[0]} together with --${names[1]}`,
      { pointsAtHelp: true, hint: `use one of ${QUESTIONS.map((name) => `--${name}`).join(', ')}` },
    )
  const name = names[0]!
  if (given.window !== undefined && name !== 'around')
    throw new CommandLineError('--window needs --around', { pointsAtHelp: true })
  const text = String(given[name])
  switch (name) {
    case 'time':
      return { kind: 'time', time: moment(name, text) }
    case 'xid':
      return { kind: 'xid', xid: wholeNumber(name, given, MAX_UINT32) }
    case 'lsn':
      try {
        return { kind: 'lsn', lsn: parseLsn(text) }
      } catch {
        throw invalid(name, text, 'use a position such as 16/B374D848')
      }
    case 'restore-point':
      return { kind: 'restore-point', name: text }
    case 'before-drop':
      return { kind: 'drop', number: wholeNumber(name, given, MAX_UINT32) }
    default: {
      const seconds = given.window === undefined ? 60 : wholeNumber('window', given, MAX_WINDOW_S)
      return { kind: 'around', time: moment(name, text), windowMicros: BigInt(seconds) * 1_000_000n }
    }
  }
}

function moment(name: string, text: string): bigint {
  const time = parsePgTime(text)
  if (time === null) throw invalid(name, text, 'use a time such as 2026-03-01 12:00:00+01')
  return time
}

function wholeNumber(name: string, given: OptionValues, max: number): number {
  const text = String(given[name])
  if (/^[0-9]{1,10}$/.test(text) && Number(text) >= 1 && Number(text) <= max) return Number(text)
  throw invalid(name, text, `use a whole number from 1 to ${max}`)
}

function invalid(name: string, text: string, hint: string): CommandLineError {
  return new CommandLineError(`invalid value "${text}" for option --${name}`, { pointsAtHelp: false, hint })
}
