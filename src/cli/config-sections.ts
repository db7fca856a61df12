import type { YAMLMap } from 'yaml'
import { CommandLineError } from './command-line-error.js'
import { type OptionValues, SWITCH_HINT, switchValue } from './environment-values.js'
import type { WalshipOption } from './receive-options.js'
import { suggestion } from './suggestion.js'

/** A configuration file as it was read. */
export interface ConfigFile {
  readonly path: string
  readonly text: string
}

/** Options that stand together in a file. */
export interface ConfigSection {
  readonly values: OptionValues
  /** Where an option stands, as complaints say it; undefined: not here. */
  placeOf(name: string): string | undefined
}

/** What a configuration file says. */
export interface ConfigSections {
  readonly path: string
  /** For every cluster, and for what belongs to none. */
  readonly top: ConfigSection
  /** What each cluster has of its own, by its name; null: the file has no `clusters:`. */
  readonly clusters: ReadonlyMap<string, ConfigSection> | null
}

const CLUSTERS = 'clusters'

/** Fit for a label, a URL and a log line. */
const CLUSTER_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/

/**
 * Reads a configuration file: a mapping from long option names to values, each read as the variable of the option
 * would be; under `clusters:` one such mapping for each cluster.
 *
 * One file may serve several commands: a command takes what it knows of the options that any of them has.
 *
 * @param known what any command takes; others in the file are a mistake
 * @param wanted what this command takes
 * @throws CommandLineError, which names a key and a line but never a value: it may be a secret in the wrong place
 */
export async function readSections(
  { path, text }: ConfigFile,
  known: readonly WalshipOption[],
  wanted: readonly WalshipOption[],
): Promise<ConfigSections> {
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
  const nothing: ConfigSection = { values: {}, placeOf: () => undefined }
  if (document.contents === null) return { path, top: nothing, clusters: null }
  if (!isMap(document.contents))
    throw mistake(`configuration file "${path}" is no mapping`, 'write one "option: value" a line')

  const root = document.contents
  const listed = root.items.find(({ key }) => isScalar(key) && key.value === CLUSTERS)
  const top = await section(root, '')
  return { path, top, clusters: listed === undefined ? null : await clustersOf(listed) }

  async function clustersOf({ key, value }: YAMLMap['items'][number]): Promise<Map<string, ConfigSection>> {
    if (!isMap(value) || value.items.length === 0)
      throw mistake(
        `"${CLUSTERS}" in configuration file ${placeOfKey(key)} names no cluster`,
        'write a name for each cluster, and its options below',
      )
    const clusters = new Map<string, ConfigSection>()
    for (const { key: nameKey, value: own } of value.items) {
      const name = isScalar(nameKey) ? String(nameKey.value) : ''
      const place = placeOfKey(nameKey)
      if (!CLUSTER_NAME.test(name))
        throw mistake(
          `invalid name of a cluster in configuration file ${place}`,
          'use letters, digits, and . _ - after the first; at most 63',
        )
      if (isMap(own)) clusters.set(name, await section(own, `${CLUSTERS}.${name}.`))
      else if (own === null || (isScalar(own) && (own.value ?? '') === '')) clusters.set(name, nothing)
      else
        throw mistake(
          `"${CLUSTERS}.${name}" in configuration file ${place} is no mapping of options to values`,
        )
    }
    return clusters
  }

  async function section(map: YAMLMap, prefix: string): Promise<ConfigSection> {
    const values: OptionValues = {}
    const places = new Map<string, string>()
    const ofCluster = prefix !== ''
    for (const { key, value } of map.items) {
      const place = placeOfKey(key)
      const name = isScalar(key) ? String(key.value) : ''
      if (name === CLUSTERS && !ofCluster) continue
      const whole = `${prefix}${name}`
      const option = configurable(known).find((each) => each.name === name)
      if (option === undefined) throw unknownKey(name, prefix, place, known)
      if (ofCluster && option.ofProcess)
        throw mistake(
          `option "${whole}" in configuration file ${place} is not one of a cluster`,
          `it is about the whole process: write "${name}" at the top`,
        )
      if (value !== null && !isScalar(value))
        throw mistake(`option "${whole}" in configuration file ${place} is no single value`)
      const given = value === null ? '' : String(value.value)
      if (given === '' || !wanted.some((each) => each.name === name)) continue
      if (name === 'dbname') await refuseSecrets(given, whole, place)
      const read = option.argument === undefined ? switchValue(given) : textValue(option, given)
      if (read === undefined)
        throw mistake(`invalid value for option "${whole}" in configuration file ${place}`, SWITCH_HINT)
      values[name] = read
      places.set(name, `"${whole}" in configuration file ${place}`)
    }
    return { values, placeOf: (name) => places.get(name) }
  }

  function placeOfKey(key: unknown): string {
    return isScalar(key) && key.range != null ? at(key.range[0]) : `"${path}"`
  }
}

/** Options that a file may hold: those that a variable may hold too, but not those that choose what to read in it. */
export function configurable(options: readonly WalshipOption[]): readonly WalshipOption[] {
  return options.filter(
    ({ name, variable }) => variable !== undefined && name !== 'config' && name !== 'cluster',
  )
}

/** Files like this one get into version control, backups and chats. */
async function refuseSecrets(connectionString: string, option: string, place: string): Promise<void> {
  const { secretsIn } = await import('../pg/index.js')
  const [secret] = secretsIn(connectionString)
  if (secret === undefined) return
  throw mistake(
    `option "${option}" in configuration file ${place} holds a secret: ${secret}`,
    'passwords belong into a password file, named by passfile=FILE in the connection string or by PGPASSFILE, or into PGPASSWORD',
  )
}

/** YAML's own words for on and off, where an option has those. */
function textValue({ choices }: WalshipOption, text: string): string {
  const isSwitchLike = choices?.includes('on')
  if (isSwitchLike && /^(true|yes)$/i.test(text)) return 'on'
  if (isSwitchLike && /^(false|no)$/i.test(text)) return 'off'
  return text
}

function unknownKey(
  name: string,
  prefix: string,
  place: string,
  known: readonly WalshipOption[],
): CommandLineError {
  if (/secret|access-?key|passw|credential|token/i.test(name)) {
    return mistake(
      `no option "${prefix}${name}" in configuration file ${place}`,
      'secrets have no place in it: passwords belong into a password file, keys of a store into the AWS environment or profile',
    )
  }
  const ofCluster = prefix !== ''
  const fitting = configurable(known)
    .filter(({ ofProcess }) => !(ofCluster && ofProcess))
    .map((option) => option.name)
  const meant = suggestion(name, ofCluster ? fitting : [...fitting, CLUSTERS])
  return mistake(
    `unknown option "${prefix}${name}" in configuration file ${place}`,
    meant === undefined
      ? 'use the long names of options, without dashes in front'
      : `did you mean "${prefix}${meant}"?`,
  )
}

function mistake(message: string, hint?: string): CommandLineError {
  return new CommandLineError(message, { pointsAtHelp: false, hint })
}
