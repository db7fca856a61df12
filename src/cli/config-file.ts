import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { errnoText } from '../base/index.js'
import { chosenCluster } from './chosen-cluster.js'
import { CommandLineError } from './command-line-error.js'
import { type ConfigFile, readSections } from './config-sections.js'
import type { OptionValues } from './environment-values.js'
import type { WalshipOption } from './receive-options.js'

/** What names the file, and a cluster in it, in every command that reads one. */
export const CONFIG_OPTIONS: readonly WalshipOption[] = [
  {
    name: 'config',
    argument: 'FILE',
    section: 'Options',
    description: 'take options from this YAML file',
    variable: 'WALSHIP_CONFIG',
    ofProcess: true,
    details: 'See [Configuration file](#configuration-file). The command line and variables win over it.',
  },
  {
    name: 'cluster',
    argument: 'NAME',
    section: 'Options',
    description: 'this one of the clusters in the file',
    variable: 'WALSHIP_CLUSTER',
    ofProcess: true,
    details:
      'Where a command is about one cluster and the file names several. `receive` and `status` take all.',
  },
]

/**
 * @param path undefined or empty when no file was named
 * @param workingDirectory what a relative path is relative to
 * @throws CommandLineError when it cannot be read
 */
export function readConfigFile(path: string | undefined, workingDirectory: string): ConfigFile | null {
  if (path === undefined || path === '') return null
  try {
    return { path, text: readFileSync(resolve(workingDirectory, path), 'utf8') }
  } catch (error) {
    throw new CommandLineError(`could not read configuration file "${path}": ${errnoText(error)}`, {
      pointsAtHelp: false,
      hint: 'name a readable YAML file by --config or WALSHIP_CONFIG',
      cause: error,
    })
  }
}

/**
 * The options of a configuration file for a command that is about one cluster: what stands at the top, and over it
 * the cluster's own.
 *
 * @param known what any command takes; others in the file are a mistake
 * @param wanted what this command takes
 * @param cluster the one to take; undefined: the only one
 * @throws CommandLineError
 */
export async function configValues(
  file: ConfigFile,
  known: readonly WalshipOption[],
  wanted: readonly WalshipOption[],
  cluster: string | undefined,
): Promise<OptionValues> {
  const sections = await readSections(file, known, wanted)
  const name = chosenCluster(sections, cluster)
  return { ...sections.top.values, ...(name === null ? {} : sections.clusters!.get(name)!.values) }
}
