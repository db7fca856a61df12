import yargs from 'yargs'
import { type ClusterCommand, namedClusters, receiveValues, soleCluster } from './cluster-command.js'
import { CommandLineError } from './command-line-error.js'
import { noSuchCommand, tooMany, unknownOption } from './command-line-mistakes.js'
import { BETWEEN_VALUES, environmentValues, type OptionValues } from './environment-values.js'
import { type ListSettings, type LocateSettings, listSettings, locateSettings } from './inspect-options.js'
import type { MonitorCommand } from './monitor-run.js'
import { checkCombination } from './option-checks.js'
import { type OptionLayers, optionLayers } from './option-layers.js'
import type { ProgramHost } from './program-host.js'
import { type PruneSettings, pruneSettings } from './prune-options.js'
import type { ReceiveOptionValues, WalshipOption } from './receive-options.js'
import { asksForWalship } from './status-command-options.js'
import { type StatusSettings, statusSettings } from './status-options.js'
import { type VerifySettings, verifySettings } from './verify-options.js'
import { walshipVersion } from './version.js'
import { COMMANDS, type CommandSpec, topHelp } from './walship-commands.js'
import { type LogFormat, type LogLevel, RECEIVE_COMMAND_OPTIONS } from './walship-options.js'
import type { StatusCommand } from './walship-status.js'

export interface LogChoice {
  readonly format: LogFormat | undefined
  readonly level: LogLevel | undefined
}

/** What is one for the whole process. */
export interface ReceiveManner {
  readonly log: LogChoice
  readonly verbose: boolean
  /** Only try everything out. */
  readonly check: boolean
}

/** What `walship` was asked to do. */
export type WalshipCommand =
  | ({ readonly kind: 'receive' } & ClusterCommand & ReceiveManner)
  | ({
      readonly kind: 'receive-clusters'
      readonly clusters: readonly ClusterCommand[]
      readonly status: StatusSettings
    } & ReceiveManner)
  | { readonly kind: 'slot'; readonly values: ReceiveOptionValues }
  | MonitorCommand
  | { readonly kind: 'verify'; readonly settings: VerifySettings }
  | { readonly kind: 'list'; readonly settings: ListSettings }
  | { readonly kind: 'locate'; readonly settings: LocateSettings }
  | { readonly kind: 'prune'; readonly settings: PruneSettings }
  | ({ readonly kind: 'status' } & StatusCommand)
  /** Help or version, to be printed. */
  | { readonly kind: 'text'; readonly text: string }

/**
 * Reads the command line of `walship`; WALSHIP_* variables stand in for options that are not on it.
 *
 * @throws CommandLineError
 */
export async function readWalshipCommandLine(
  host: ProgramHost,
  programName: string,
): Promise<WalshipCommand> {
  const [first, ...rest] = host.arguments
  const args = first === 'help' ? [...rest, '--help'] : [...host.arguments]
  const command = COMMANDS.find(({ words }) => words === args.slice(0, words.split(' ').length).join(' '))
  const optionWords = args.slice(command === undefined ? 0 : command.words.split(' ').length)
  if (optionWords.some(hasBrokenName))
    throw new CommandLineError('an option has a line break in its name', { pointsAtHelp: true })

  const { text, given, operands } = await parse(programName, command, optionWords)
  if (text !== '') return { kind: 'text', text: `${text}\n` }
  if (command === undefined)
    throw noSuchCommand(
      operands,
      COMMANDS.map(({ words }) => words),
    )
  if (command.words === 'fetch')
    throw new CommandLineError('fetch must be the first word', { pointsAtHelp: true })
  const unknown = operands.find((word) => word.startsWith('-') && word !== '-')
  if (unknown !== undefined) throw unknownOption(unknown, command.options)

  const fromEnvironment = environmentValues(command.options, host.environment)
  const reach = command.words === 'receive' || command.words === 'status' ? 'all' : 'one'
  const layers = await optionLayers(given, fromEnvironment, command.options, reach)
  const { beneath, all, clusters } = layers
  switch (command.words) {
    case 'receive':
      return receiveCommand(layers, operands)
    case 'verify':
      return { kind: 'verify', settings: verifySettings(given, beneath, operands, host.environment) }
    case 'list':
      return { kind: 'list', settings: listSettings(given, beneath, operands, host.environment) }
    case 'locate':
      return { kind: 'locate', settings: locateSettings(given, beneath, operands, host.environment) }
    case 'prune':
      return { kind: 'prune', settings: pruneSettings(given, beneath, operands, host.environment) }
    case 'status':
      if (clusters === null && !asksForWalship(given, beneath)) return monitorCommand('status', all, operands)
      if (operands.length > 0) throw tooMany(operands[0]!)
      return { kind: 'status', values: all, clusters, intervalMs: intervalMs(all) }
    case 'slot list':
      return monitorCommand('slots', all, operands)
    default:
      return slotCommand(command.words === 'slot create' ? 'create-slot' : 'drop-slot', all, operands)
  }
}

/** yargs looks at such a word with a pattern that takes hours for some thousand letters. */
function hasBrokenName(word: string): boolean {
  return word.startsWith('-') && /[\n\r\u2028\u2029]/.test(word.split('=', 1)[0]!)
}

interface Parsed {
  /** Help or version text when that was asked for, else empty. */
  readonly text: string
  /** Options that stood on the command line. */
  readonly given: OptionValues
  /** All else, unknown options included. */
  readonly operands: readonly string[]
}

async function parse(
  programName: string,
  command: CommandSpec | undefined,
  args: readonly string[],
): Promise<Parsed> {
  const parser = yargs([...args])
    .locale('en')
    .scriptName(programName)
    .usage(`$0 ${command?.words} [option]... ${command?.operands ?? ''}\n\n${command?.description}`)
    .epilogue(
      'Each option but the actions can be set by an environment variable, such as WALSHIP_DIRECTORY, or in a file named by --config.',
    )
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'duplicate-arguments-array': true,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'unknown-options-as-args': true,
    })
    .help('help', 'show this help, then exit')
    .alias('help', '?')
    .version('version', 'show the version, then exit', `walship ${walshipVersion()}`)
    .alias('version', 'V')
    .wrap(Math.min(110, process.stdout.columns ?? 80))
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message) => {
      const lacking = /^Not enough arguments following: (.*)$/.exec(message)?.[1]
      const text = lacking === undefined ? message : `option ${dashed(lacking)} requires an argument`
      throw new CommandLineError(text, { pointsAtHelp: true })
    })
  for (const option of command?.options ?? []) {
    parser.option(option.name, {
      alias: option.short,
      describe: describe(option),
      group: `${option.section}:`,
      ...(option.argument === undefined
        ? { type: 'boolean' }
        : { type: 'string', requiresArg: true, nargs: 1 }),
    })
  }
  let text = ''
  const found = await parser.parseAsync([...args], {}, (_error, _argv, output) => {
    text = output
  })
  const given: OptionValues = {}
  for (const { name, repeatable } of command?.options ?? []) {
    const all = found[name]
    // The last one counts, as everywhere.
    const value = !Array.isArray(all) ? all : repeatable ? all.join(BETWEEN_VALUES) : all.at(-1)
    if (typeof value === 'string' || typeof value === 'boolean') given[name] = value
  }
  if (command === undefined && found.help) text = topHelp(programName)
  return { text, given, operands: found._.map(String) }
}

function describe(option: WalshipOption): string {
  const choices = option.choices === undefined ? '' : `: ${option.choices.join(', ')}`
  const byDefault = option.defaultText === undefined ? '' : ` (default: ${option.defaultText})`
  return option.description + choices + byDefault
}

function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`
}

function receiveCommand({ all, clusters }: OptionLayers, operands: readonly string[]): WalshipCommand {
  if (operands.length > 0) throw tooMany(operands[0]!)
  const format = choice('log-format', all)
  const level = choice('log-level', all)
  const manner = {
    log: { format: format as LogFormat | undefined, level: level as LogLevel | undefined },
    verbose: all.verbose === true,
    check: all.check === true,
  }
  const acts = all['create-slot'] === true || all['drop-slot'] === true
  if (clusters === null && acts) return { kind: 'slot', values: receiveValues(all) }
  if (clusters === null) return { kind: 'receive', ...soleCluster(all), ...manner }
  if (acts)
    throw new CommandLineError('a slot is made or dropped for one cluster', {
      pointsAtHelp: false,
      hint: 'use walship slot create or walship slot drop with --cluster',
    })
  return {
    kind: 'receive-clusters',
    clusters: namedClusters(clusters),
    status: statusSettings(all),
    ...manner,
  }
}

function slotCommand(
  action: 'create-slot' | 'drop-slot',
  values: OptionValues,
  operands: readonly string[],
): WalshipCommand {
  const [name, ...further] = operands
  if (further.length > 0) throw tooMany(further[0]!)
  if (name !== undefined) values.slot = name
  if (values.slot === undefined) throw new CommandLineError('no slot name specified', { pointsAtHelp: true })
  return { kind: 'slot', values: checked({ ...values, [action]: true }) }
}

function monitorCommand(
  what: MonitorCommand['what'],
  { json, watch, interval, ...values }: OptionValues,
  operands: readonly string[],
): MonitorCommand {
  if (operands.length > 0) throw tooMany(operands[0]!)
  return {
    kind: 'monitor',
    what,
    values,
    json: json === true,
    watch: watch === true,
    intervalMs: intervalMs({ interval }),
  }
}

function intervalMs({ interval = '2' }: { readonly interval?: string | boolean }): number {
  const seconds = Number(interval)
  if (seconds >= 0.1 && seconds <= 86_400) return seconds * 1000
  throw new CommandLineError(`invalid value "${interval}" for option --interval`, {
    pointsAtHelp: false,
    hint: 'use a number of seconds from 0.1 to 86400',
  })
}

function checked(values: OptionValues): ReceiveOptionValues {
  const checkedValues: ReceiveOptionValues = values
  checkCombination(checkedValues)
  return checkedValues
}

function choice(name: string, values: OptionValues): string | undefined {
  const value = values[name]
  const option = RECEIVE_COMMAND_OPTIONS.find((candidate) => candidate.name === name)
  if (typeof value !== 'string') return undefined
  if (option?.choices?.includes(value)) return value
  throw new CommandLineError(`invalid value "${value}" for option --${name}`, {
    pointsAtHelp: false,
    hint: `use one of ${option?.choices?.join(', ')}`,
  })
}
