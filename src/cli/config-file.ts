import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { errnoText } from '../base/index.js'
import { CommandLineError } from './command-line-error.js'
import { type OptionValues, SWITCH_HINT, switchValue } from './environment-values.js'
import type { WalshipOption } from './receive-options.js'
import { suggestion } from './suggestion.js'

/** What names the file, in every command that reads one. */
export const CONFIG_OPTION: WalshipOption = {
  name: 'config',
  argument: 'FILE',
  section: 'Options',
  description: 'take options from this YAML file',
  variable: 'WALSHIP_CONFIG',
  details: 'See [Configuration file](#configuration-file). The command line and variables win over it.',
}

/** A configuration file as it was read. */
export interface ConfigFile {
  readonly path: string
  readonly text: string
}

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
 * The options of a configuration file: a mapping from long option names to values, each read as the variable of
 * the option would be.
 *
 * One file may serve several commands: a command takes what it knows of the options that any of them has.
 *
 * @param known what any command takes; others in the file are a mistake
 * @param wanted what this command takes
 * @throws CommandLineError, which names a key and a line but never a value: it may be a secret in the wrong place
 */
export async function configValues(
  { path, text }: ConfigFile,
  known: readonly WalshipOption[],
  wanted: readonly WalshipOption[],
): Promise<OptionValues> {
  const { isMap, isScalar, LineCounter, parseDocument } = await import('yaml')
  const lines = new LineCounter()
  // Of all schemas the one in which every value is its text: `on`, `007` and `1e3` mean what stands there.
  const document = parseDocument(text, { schema: 'failsafe', lineCounter: lines, prettyErrors: false })
  const at = (offset: number) => `"${path}", line ${lines.linePos(offset).line}`
  const [broken] = document.errors
  if (broken !== undefined) {
    const kind = broken.code.toLowerCase().replaceAll('_', ' ')
    throw mistake(`invalid YAML in configuration file ${at(broken.pos[0])}: ${kind}`)
  }
  const values: OptionValues = {}
  if (document.contents === null) return values
  if (!isMap(document.contents))
    throw mistake(`configuration file "${path}" is no mapping`, 'write one "option: value" a line')
  for (const { key, value } of document.contents.items) {
    const place = isScalar(key) && key.range != null ? at(key.range[0]) : `"${path}"`
    const name = isScalar(key) ? String(key.value) : ''
    const option = configurable(known).find((each) => each.name === name)
    if (option === undefined) throw unknownKey(name, place, known)
    if (value !== null && !isScalar(value))
      throw mistake(`option "${name}" in configuration file ${place} is no single value`)
    const given = value === null ? '' : String(value.value)
    if (given === '' || !wanted.some((each) => each.name === name)) continue
    const read = option.argument === undefined ? switchValue(given) : textValue(option, given)
    if (read === undefined)
      throw mistake(`invalid value for option "${name}" in configuration file ${place}`, SWITCH_HINT)
    values[name] = read
  }
  return values
}

/** Options that a file may hold: those that a variable may hold too, but not the one that names the file. */
export function configurable(options: readonly WalshipOption[]): readonly WalshipOption[] {
  return options.filter(({ name, variable }) => variable !== undefined && name !== CONFIG_OPTION.name)
}

/** YAML's own words for on and off, where an option has those. */
function textValue({ choices }: WalshipOption, text: string): string {
  const isSwitchLike = choices?.includes('on')
  if (isSwitchLike && /^(true|yes)$/i.test(text)) return 'on'
  if (isSwitchLike && /^(false|no)$/i.test(text)) return 'off'
  return text
}

function unknownKey(name: string, place: string, known: readonly WalshipOption[]): CommandLineError {
  if (/secret|access-?key|passw|credential|token/i.test(name)) {
    return mistake(
      `no option "${name}" in configuration file ${place}`,
      'secrets have no place in it: passwords belong into a password file, keys of a store into the AWS environment or profile',
    )
  }
  const meant = suggestion(
    name,
    configurable(known).map((option) => option.name),
  )
  return mistake(
    `unknown option "${name}" in configuration file ${place}`,
    meant === undefined
      ? 'use the long names of options, without dashes in front'
      : `did you mean "${meant}"?`,
  )
}

function mistake(message: string, hint?: string): CommandLineError {
  return new CommandLineError(message, { pointsAtHelp: false, hint })
}
