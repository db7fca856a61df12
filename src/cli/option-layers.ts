import { CommandLineError } from './command-line-error.js'
import { configValues, readConfigFile } from './config-file.js'
import { CONFIG_FILE_OPTIONS } from './config-options.js'
import type { OptionValues } from './environment-values.js'
import { checkValue } from './option-checks.js'
import type { ReceiveOptionName, WalshipOption } from './receive-options.js'

export interface OptionLayers {
  /** From the configuration file and, stronger, from the environment. */
  readonly beneath: OptionValues
  /** The command line too, which is stronger than both. */
  readonly all: OptionValues
}

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
): Promise<OptionLayers> {
  checkValues(fromEnvironment, options)
  checkValues(given)
  const path = given.config ?? fromEnvironment.config
  const file = readConfigFile(typeof path === 'string' ? path : undefined, '.')
  const fromFile = file === null ? {} : await configValues(file, CONFIG_FILE_OPTIONS, options)
  if (file !== null) checkFileValues(fromFile, file.path)
  return { beneath: layered(fromFile, fromEnvironment), all: layered(fromFile, fromEnvironment, given) }
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

function checkFileValues(values: OptionValues, path: string): void {
  try {
    checkValues(values)
  } catch (error) {
    const hint = `the value comes from the configuration file "${path}"`
    throw new CommandLineError((error as Error).message, { pointsAtHelp: false, hint, cause: error })
  }
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
