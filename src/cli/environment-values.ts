import { CommandLineError } from './command-line-error.js'
import type { WalshipOption } from './receive-options.js'

export type OptionValues = Record<string, string | boolean | undefined>

const YES = ['1', 'true', 'yes', 'on']
const NO = ['0', 'false', 'no', 'off']

/**
 * Option values from WALSHIP_* variables. An empty variable is one that is not set.
 *
 * @throws CommandLineError for a switch that is neither on nor off
 */
export function environmentValues(
  options: readonly WalshipOption[],
  environment: Readonly<Record<string, string | undefined>>,
): OptionValues {
  const values: OptionValues = {}
  for (const { name, variable, argument } of options) {
    const text = variable === undefined ? undefined : environment[variable]
    if (variable === undefined || text === undefined || text === '') continue
    values[name] = argument === undefined ? switchValue(variable, text) : text
  }
  return values
}

function switchValue(variable: string, text: string): boolean {
  const word = text.toLowerCase()
  if (YES.includes(word)) return true
  if (NO.includes(word)) return false
  throw new CommandLineError(`invalid value "${text}" for environment variable ${variable}`, {
    pointsAtHelp: false,
    hint: `use one of ${[...YES, ...NO].join(', ')}`,
  })
}
