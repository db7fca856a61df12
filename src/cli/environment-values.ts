import { CommandLineError } from './command-line-error.js'
import type { WalshipOption } from './receive-options.js'

export type OptionValues = Record<string, string | boolean | undefined>

/** What separates the values of an option that was given several times: none of them holds it. */
export const BETWEEN_VALUES = '\n'

/** All values of an option that may be repeated. */
export function repeatedValues(value: string | boolean | undefined): string[] {
  return typeof value === 'string' ? value.split(BETWEEN_VALUES) : []
}

const YES = ['1', 'true', 'yes', 'on']
const NO = ['0', 'false', 'no', 'off']
export const SWITCH_HINT = `use one of ${[...YES, ...NO].join(', ')}`

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
    values[name] = argument === undefined ? switchOf(variable, text) : text
  }
  return values
}

function switchOf(variable: string, text: string): boolean {
  const value = switchValue(text)
  if (value !== undefined) return value
  throw new CommandLineError(`invalid value "${text}" for environment variable ${variable}`, {
    pointsAtHelp: false,
    hint: SWITCH_HINT,
  })
}

/** @returns undefined for a word that is neither on nor off */
export function switchValue(text: string): boolean | undefined {
  const word = text.toLowerCase()
  return YES.includes(word) ? true : NO.includes(word) ? false : undefined
}
