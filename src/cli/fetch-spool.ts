import { readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { Spool, SpoolLock } from '../restore/index.js'
import type { FetchHost } from './fetch-host.js'

/** What a server in recovery calls the file that it wants to have restored (src/backend/access/transam/xlogarchive.c). */
const RECOVERY_TARGET = 'RECOVERYXLOG'

/** The command line of `walship fetch` as far as it can be read without knowing all options. */
export interface FetchWords {
  /** %f */
  readonly name: string
  /** %p */
  readonly target: string
  /** All words before them. */
  readonly options: readonly string[]
}

/** Name and path are the last two words. @returns null for a command line that has to be read with more care */
export function fetchWords(args: readonly string[]): FetchWords | null {
  const [name, target] = args.slice(-2)
  if (name === undefined || target === undefined) return null
  if (!/^[0-9A-F]{24}$/.test(name) || target.startsWith('-')) return null
  return { name, target, options: args.slice(0, -2) }
}

/**
 * The spool of a command line, its lock, and nothing that takes time.
 *
 * Without `--spool` it is in pg_wal beside the target, so on the same file system and in no base backup; and only
 * for a server in recovery: pg_rewind, which uses restore_command too, looks at every file of the data
 * directory and fails when one comes or goes.
 *
 * The settings are part of the folder's name: after another store has been named, nothing that came from the
 * old one can be served.
 *
 * @param given value of --spool, or of its environment variable
 * @returns null when there is none
 * @throws the operating system's error when a configuration file is named and cannot be read
 */
export function spoolFor(
  host: FetchHost,
  target: string,
  given: string | undefined,
  options: readonly string[],
): Spool | null {
  const inRecovery = isRecoveryTarget(target)
  if (given === undefined && !inRecovery) return null
  const root = given ?? join(dirname(target), 'walship-fetch')
  return new Spool(resolve(host.workingDirectory, root, settingsKey(options, host)))
}

/** True when a server in recovery asks, and not pg_rewind or a person. */
export function isRecoveryTarget(target: string): boolean {
  return basename(target) === RECOVERY_TARGET
}

/** --spool as it stands on the command line, without looking at other options. */
export function spoolOption(
  options: readonly string[],
  environment: FetchHost['environment'],
): string | undefined {
  return wordOf(/^--spool(?:=(.*))?$/s, options) ?? (environment.WALSHIP_SPOOL || undefined)
}

/** The text of the configuration file, which is small; null when none is named. @throws as node:fs does */
export function configText(options: readonly string[], host: FetchHost): string | null {
  // An option may be cut to a prefix, and no other begins with these letters.
  const path = wordOf(/^--co(?:n(?:f(?:ig?)?)?)?(?:=(.*))?$/s, options) ?? host.environment.WALSHIP_CONFIG
  return path ? readFileSync(resolve(host.workingDirectory, path), 'utf8') : null
}

/** The value of an option as it stands on the command line: the last one. */
function wordOf(pattern: RegExp, options: readonly string[]): string | undefined {
  let value: string | undefined
  for (const [index, word] of options.entries()) {
    const match = pattern.exec(word)
    if (match !== null) value = match[1] ?? options[index + 1]
  }
  return value
}

/** Starts a prefetcher for a spool unless one is at work. Failing to do so changes nothing but the speed. */
export function ensurePrefetcher(host: FetchHost, spool: Spool, words: FetchWords): void {
  if (!isRecoveryTarget(words.target)) return
  try {
    const lock = new SpoolLock(spool.directory, (pid) => host.isRunning(pid))
    if (lock.isHeld()) return
    const pid = host.startPrefetcher([...words.options, words.name, words.target])
    // On its behalf, so that the next call, milliseconds from now, does not start another one.
    if (pid !== undefined) lock.acquire(pid)
  } catch {
    // The next call tries again.
  }
}

/** Environment variables outside of our own names that decide which store a URL means. */
const STORE_VARIABLES = [
  'AWS_PROFILE',
  'AWS_CONFIG_FILE',
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_S3',
  'AWS_REGION',
]

/** A short name for a set of settings (FNV-1a, twice with different starts). Secrets stand in none of them. */
function settingsKey(options: readonly string[], host: FetchHost): string {
  const { environment } = host
  const names = Object.keys(environment).filter(
    (name) =>
      STORE_VARIABLES.includes(name) || (name.startsWith('WALSHIP_') && !name.startsWith('WALSHIP_LOG')),
  )
  const text = JSON.stringify([
    options,
    names.sort().map((name) => [name, environment[name]]),
    configText(options, host),
  ])
  return hash(text, 0x811c9dc5) + hash(text, 0x01234567)
}

function hash(text: string, start: number): string {
  let value = start
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    value = Math.imul(value ^ (unit & 0xff), 0x01000193)
    value = Math.imul(value ^ (unit >> 8), 0x01000193)
  }
  return (value >>> 0).toString(16).padStart(8, '0')
}
