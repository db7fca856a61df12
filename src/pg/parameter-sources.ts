import { userInfo } from 'node:os'
import type { ConnectOptions } from './connect-options.js'
import { CONNECTION_KEYWORDS } from './connection-keywords.js'
import { parseConnectionString, storeParameter } from './conninfo.js'
import { UsageError } from './errors.js'
import { readService } from './service-file.js'

/** All connection parameters, by keyword, gathered from every source. */
export interface GatheredParameters {
  readonly values: ReadonlyMap<string, string>
  /** What the caller itself said, without service file, environment and defaults. */
  readonly explicit: ReadonlyMap<string, string>
  /** Where `~` is; undefined when nobody knows. */
  readonly homeDirectory: string | undefined
}

/**
 * Gathers the parameters of a connection: explicit, then service file, then
 * environment, then defaults. PostgreSQL chapters 32.1, 32.15 and 32.17.
 *
 * @throws UsageError with libpq's text
 */
export function gatherParameters(options: ConnectOptions): GatheredParameters {
  const environment = options.environment ?? {}
  const explicit = explicitParameters(options)
  const values = new Map(explicit)
  const homeDirectory = findHomeDirectory(environment)

  const service = values.get('service') ?? environment.PGSERVICE
  if (service !== undefined && service !== '') {
    const stands = readService(service, {
      file: values.get('servicefile') ?? environment.PGSERVICEFILE,
      homeDirectory,
      systemDirectory: environment.PGSYSCONFDIR,
    })
    for (const [keyword, value] of stands) if (!values.has(keyword)) values.set(keyword, value)
  }

  for (const { name, variable } of CONNECTION_KEYWORDS) {
    const value = variable === undefined ? undefined : environment[variable]
    if (value !== undefined && !values.has(name)) values.set(name, value)
  }
  if (!values.has('sslmode')) {
    if (environment.PGREQUIRESSL?.startsWith('1')) values.set('sslmode', 'require')
    // The system's roots vouch for anyone with a domain, so the name has to be checked too.
    else if (values.get('sslrootcert') === 'system') values.set('sslmode', 'verify-full')
  }
  for (const { name, fallback } of CONNECTION_KEYWORDS)
    if (fallback !== undefined && !values.has(name)) values.set(name, fallback)

  if (!values.get('user')) values.set('user', systemUserName())
  for (const [keyword, value] of values)
    if (value.includes('\0'))
      throw new UsageError(`connection option "${keyword}" must not contain a NUL byte`, {
        code: 'PG_CONNINFO',
      })
  return { values, explicit, homeDirectory }
}

function explicitParameters(options: ConnectOptions): Map<string, string> {
  const explicit = new Map<string, string>()
  const add = (keyword: string, value: unknown) => {
    if (value === undefined || value === null || value === '') return
    if (typeof value !== 'string')
      throw new UsageError(`connection option "${keyword}" must be a string`, { code: 'PG_CONNINFO' })
    storeParameter(explicit, keyword, value)
  }
  if (options.dsn !== undefined)
    for (const [keyword, value] of parseConnectionString(options.dsn)) add(keyword, value)
  for (const [keyword, value] of Object.entries(options.keywords ?? {})) add(keyword, value)
  add('host', options.host)
  add('port', typeof options.port === 'number' ? String(options.port) : options.port)
  add('user', options.user)
  add('dbname', options.database)
  add('application_name', options.applicationName)
  add('fallback_application_name', options.fallbackApplicationName)
  add('options', options.options)
  add('passfile', options.passfile)
  add('service', options.service)
  add('target_session_attrs', options.targetSessionAttrs)
  if (typeof options.password !== 'function') add('password', options.password)
  return explicit
}

function findHomeDirectory(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  if (environment.HOME) return environment.HOME
  try {
    return userInfo().homedir || undefined
  } catch {
    return undefined
  }
}

/** The name of the user this process runs as, which libpq takes for the role's name. */
function systemUserName(): string {
  try {
    return userInfo().username
  } catch (cause) {
    // Containers often run under a user ID that has no entry in /etc/passwd.
    throw new UsageError(
      `could not look up local user ID ${process.geteuid?.() ?? ''}: user does not exist`,
      {
        code: 'PG_CONNINFO',
        hint: 'name the role to connect as with user= or PGUSER',
        cause,
      },
    )
  }
}
