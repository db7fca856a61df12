import { WalshipError } from '../base/index.js'
import { chosenCluster, clusterNames } from './chosen-cluster.js'
import { CommandLineError } from './command-line-error.js'
import { readConfigFile } from './config-file.js'
import { CONFIG_FILE_OPTIONS } from './config-options.js'
import { type ConfigSection, readSections } from './config-sections.js'
import type { OptionValues } from './environment-values.js'
import { checkValue } from './option-checks.js'
import type { ReceiveOptionName, WalshipOption } from './receive-options.js'

export interface OptionLayers {
  /** From the configuration file and, stronger, from the environment. */
  readonly beneath: OptionValues
  /** The command line too, which is stronger than both. */
  readonly all: OptionValues
  /** Those of each cluster, for a command that is about all in the file; null where the file names none. */
  readonly clusters: readonly ClusterLayers[] | null
}

/** The options of one cluster: command line over environment over its own section over the file's top. */
export interface ClusterLayers {
  readonly name: string
  readonly all: OptionValues
  /** A complaint about these options, with the cluster's name and the place that the value came from. */
  explain(error: unknown): unknown
}

/** Whether a command is about one cluster, or about all that the file names. */
export type ClusterReach = 'one' | 'all'

/** What no two clusters can have in common: where a value comes from that is meant for all, it is a mistake. */
const OF_ONE_CLUSTER = ['directory', 'store', 'dbname', 'host', 'port']

/**
 * Puts together what the command line, the environment and the configuration file say, each checked by itself so
 * that a mistake is found where it was made.
 *
 * @throws CommandLineError
 */
export async function optionLayers(
  given: OptionValues,
  fromEnvironment: OptionValues,
  options: readonly WalshipOption[],
  reach: ClusterReach = 'one',
): Promise<OptionLayers> {
  checkValues(fromEnvironment, options)
  checkValues(given)
  const [path, cluster] = ['config', 'cluster'].map((name) => {
    const value = given[name] ?? fromEnvironment[name]
    return typeof value === 'string' ? value : undefined
  })
  const file = readConfigFile(path, '.')
  if (file === null) {
    // Of a walship that runs, it chooses from the answer.
    if (cluster !== undefined && (given.url ?? fromEnvironment.url) === undefined)
      throw new CommandLineError('--cluster needs a file to be named by --config', { pointsAtHelp: true })
    return { beneath: fromEnvironment, all: layered(fromEnvironment, given), clusters: null }
  }
  const sections = await readSections(file, CONFIG_FILE_OPTIONS, options)
  const { top } = sections
  checkSection(top, file.path)
  for (const section of sections.clusters?.values() ?? []) checkSection(section, file.path)
  if (reach === 'one' || sections.clusters === null) {
    const name = chosenCluster(sections, cluster)
    const own = name === null ? {} : sections.clusters!.get(name)!.values
    const beneath = layered(top.values, own, fromEnvironment)
    return { beneath, all: layered(beneath, given), clusters: null }
  }
  const names = clusterNames(sections, cluster)!
  if (names.length > 1) refuseShared(given, fromEnvironment, options)
  const above = layered(fromEnvironment, given)
  const clusters = names.map((name) => {
    const own = sections.clusters!.get(name)!
    return {
      name,
      all: layered(top.values, own.values, above),
      explain: (error: unknown) => explained(error, name, above, [own, top]),
    }
  })
  return { beneath: layered(top.values, fromEnvironment), all: layered(top.values, above), clusters }
}

/** @param variables given when the values come from the environment, so that a mistake there can be found */
function checkValues(values: OptionValues, variables: readonly WalshipOption[] = []): void {
  for (const [name, value] of Object.entries(values)) {
    if (typeof value !== 'string') continue
    try {
      checkValue(name as ReceiveOptionName, value)
    } catch (error) {
      const variable = variables.find((option) => option.name === name)?.variable
      if (variable === undefined) throw error
      const hint = `the value comes from the environment variable ${variable}`
      throw new CommandLineError((error as Error).message, { pointsAtHelp: false, hint, cause: error })
    }
  }
}

function checkSection(section: ConfigSection, path: string): void {
  for (const [name, value] of Object.entries(section.values)) {
    try {
      checkValues({ [name]: value })
    } catch (error) {
      const place = section.placeOf(name) ?? `the configuration file "${path}"`
      const hint = `the value comes from ${place}`
      throw new CommandLineError((error as Error).message, { pointsAtHelp: false, hint, cause: error })
    }
  }
}

function refuseShared(
  given: OptionValues,
  fromEnvironment: OptionValues,
  options: readonly WalshipOption[],
): void {
  for (const name of OF_ONE_CLUSTER) {
    const variable = options.find((option) => option.name === name)?.variable
    const source =
      given[name] !== undefined ? `--${name}` : fromEnvironment[name] !== undefined ? variable : undefined
    if (source === undefined) continue
    throw new CommandLineError(`${source} cannot be meant for several clusters`, {
      pointsAtHelp: false,
      hint: 'each has its own: write it into its section of the file, or choose one of them by --cluster',
    })
  }
}

/** The option that a complaint names, and where its value came from. */
function explained(
  error: unknown,
  cluster: string,
  above: OptionValues,
  sections: readonly ConfigSection[],
): unknown {
  if (!(error instanceof WalshipError)) return error
  const option = /(?:^|\s)--([a-z][a-z0-9-]+)/.exec(error.message)?.[1]
  const place =
    option === undefined || above[option] !== undefined
      ? undefined
      : sections.map((section) => section.placeOf(option)).find((found) => found !== undefined)
  const where = place === undefined ? '' : ` (${place})`
  const message = `cluster "${cluster}": ${error.message}${where}`
  const { code, hint, retryable } = error
  if (error instanceof CommandLineError || code === 'STORE_OPTION')
    return new CommandLineError(message, { pointsAtHelp: false, hint, cause: error })
  return new WalshipError(message, { code, hint, retryable, cause: error })
}

/** Later layers win, also where two options exclude each other. */
function layered(...layers: readonly OptionValues[]): OptionValues {
  const values: OptionValues = {}
  for (const layer of layers) {
    if (layer.password) delete values['no-password']
    if (layer['no-password']) delete values.password
    Object.assign(values, layer)
  }
  return values
}
