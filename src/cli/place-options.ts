import type { WalSourceSpec } from '../verify/index.js'
import { CommandLineError } from './command-line-error.js'
import { CONFIG_OPTIONS } from './config-file.js'
import type { OptionValues } from './environment-values.js'
import { STORE_COMMAND_OPTIONS } from './fetch-store.js'
import type { WalshipOption } from './receive-options.js'

/** Where the WAL is that a command reads: an archive or a directory. */
export const PLACE_OPTIONS: readonly WalshipOption[] = [
  ...STORE_COMMAND_OPTIONS.map((option) =>
    option.name === 'store' ? { ...option, details: 'Either this or --directory.' } : option,
  ),
  {
    name: 'directory',
    short: 'D',
    argument: 'DIR',
    section: 'Options',
    description: 'read the WAL in this directory',
    variable: 'WALSHIP_DIRECTORY',
    details:
      'What a receiver writes to, or the pg_wal of a server. On the command line it wins over a variable for --store.',
  },
  ...CONFIG_OPTIONS,
]

export const JSON_OPTION: WalshipOption = {
  name: 'json',
  section: 'Options',
  description: 'print the result as JSON',
}

/**
 * Where the WAL is that a command is about.
 *
 * @throws CommandLineError unless exactly one place is named
 */
export function wantedSource(
  given: OptionValues,
  fromEnvironment: OptionValues,
  environment: Readonly<Record<string, string | undefined>>,
): WalSourceSpec {
  const values = { ...fromEnvironment, ...given }
  const isNamed = given.store !== undefined || given.directory !== undefined
  const { store, directory } = isNamed ? given : fromEnvironment
  if ((store === undefined) === (directory === undefined))
    throw new CommandLineError(
      store === undefined ? 'no place was named' : 'cannot use --store together with --directory',
      { pointsAtHelp: true, hint: 'name an archive by --store or a directory by --directory' },
    )
  return directory === undefined
    ? { kind: 'archive', url: String(store), values, environment: { ...environment } }
    : { kind: 'directory', path: String(directory) }
}
