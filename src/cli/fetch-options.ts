import { CommandLineError } from './command-line-error.js'
import { CONFIG_OPTIONS } from './config-file.js'
import { environmentValues, type OptionValues } from './environment-values.js'
import { STORE_COMMAND_OPTIONS } from './fetch-store.js'
import { getopt } from './getopt.js'
import type { WalshipOption } from './receive-options.js'

/** Options of `walship fetch`. */
export const FETCH_OPTIONS: readonly WalshipOption[] = [
  ...STORE_COMMAND_OPTIONS,
  ...CONFIG_OPTIONS,
  {
    name: 'prefetch',
    argument: 'COUNT',
    section: 'Options',
    description: 'segments to fetch ahead of a server in recovery',
    defaultText: '8',
    variable: 'WALSHIP_PREFETCH',
    details: 'At most 1 GB of them are held. 0 turns it off.',
  },
  {
    name: 'spool',
    argument: 'DIRECTORY',
    section: 'Options',
    description: 'where segments that were fetched ahead are kept',
    defaultText: 'pg_wal/walship-fetch',
    variable: 'WALSHIP_SPOOL',
    details: 'Best on the file system of pg_wal, where a segment needs no second copy.',
  },
  {
    name: 'retry-for',
    argument: 'SECONDS',
    section: 'Options',
    description: 'how long to try again while the store cannot be reached',
    defaultText: '60',
    variable: 'WALSHIP_RETRY_FOR',
    details:
      'When the time is over the command fails in a way that stops the server, so that it does not promote.',
  },
]

export const DEFAULT_PREFETCH_COUNT = 8
const DEFAULT_RETRY_FOR_S = 60
const MAX_PREFETCH_COUNT = 1024
const MAX_RETRY_FOR_S = 2_147_483

export interface FetchCommand {
  /** %f */
  readonly name: string
  /** %p */
  readonly target: string
  /** Values of all options, those of the store among them. */
  readonly values: OptionValues
  readonly prefetchCount: number
  readonly spool: string | undefined
  readonly retryForMs: number
}

/**
 * Reads the command line of `walship fetch` with getopt's rules; WALSHIP_* variables stand in for options that
 * are not on it, and a configuration file for those that neither gives.
 *
 * @param fromFile values of the configuration file that is named by a value of `config`, for the cluster named
 * @throws CommandLineError
 */
export async function readFetchCommandLine(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  fromFile: (path: string, cluster: string | undefined) => Promise<OptionValues>,
): Promise<FetchCommand> {
  const given: OptionValues = {}
  let operands: readonly string[] = []
  const options = FETCH_OPTIONS.map(({ name, short, argument }) => ({
    name,
    short,
    hasArgument: argument !== undefined,
  }))
  for (const item of getopt(args, options)) {
    if (item.kind === 'complaint') throw new CommandLineError(item.text, { pointsAtHelp: true })
    if (item.kind === 'operands') operands = item.operands
    else given[item.name] = item.argument ?? true
  }
  const [name, target, ...further] = operands
  if (name === undefined || target === undefined || further.length > 0) {
    throw new CommandLineError('a file name and a path are needed, and nothing else', {
      pointsAtHelp: true,
      hint: `write restore_command = 'walship fetch --store URL %f "%p"'`,
    })
  }
  const above = { ...environmentValues(FETCH_OPTIONS, environment), ...given }
  const cluster = typeof above.cluster === 'string' ? above.cluster : undefined
  const beneath = typeof above.config === 'string' ? await fromFile(above.config, cluster) : {}
  const values = { ...beneath, ...above }
  return {
    name,
    target,
    values,
    prefetchCount: wholeNumber('prefetch', values, DEFAULT_PREFETCH_COUNT, MAX_PREFETCH_COUNT),
    spool: typeof values.spool === 'string' ? values.spool : undefined,
    retryForMs: wholeNumber('retry-for', values, DEFAULT_RETRY_FOR_S, MAX_RETRY_FOR_S) * 1000,
  }
}

function wholeNumber(name: string, values: OptionValues, byDefault: number, max: number): number {
  const text = values[name]
  if (typeof text !== 'string') return byDefault
  const value = Number(text)
  if (/^[0-9]+$/.test(text) && value <= max) return value
  throw new CommandLineError(`invalid value "${text}" for option --${name}`, {
    pointsAtHelp: false,
    hint: `use a whole number from 0 to ${max}`,
  })
}
