import { configValues, readConfigFile } from './config-file.js'
import { CONFIG_FILE_OPTIONS } from './config-options.js'
import type { FetchHost } from './fetch-host.js'
import { FETCH_OPTIONS, type FetchCommand, readFetchCommandLine } from './fetch-options.js'

/** What this call of `walship fetch` is asked for, its configuration file included. @throws CommandLineError */
export async function readFetchCommand(host: FetchHost): Promise<FetchCommand> {
  return readFetchCommandLine(host.arguments, host.environment, async (path, cluster) => {
    const file = readConfigFile(path, host.workingDirectory)
    return file === null ? {} : configValues(file, CONFIG_FILE_OPTIONS, FETCH_OPTIONS, cluster)
  })
}
