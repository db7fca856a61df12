import { randomInt } from 'node:crypto'
import { type Address, abortable, lookupAddresses } from './address-lookup.js'
import type { ConnectOptions } from './connect-options.js'
import { joinFailures } from './connection-failure.js'
import {
  type ConnectionParameters,
  connectionParameters,
  type ReplicationMode,
} from './connection-parameters.js'
import { ConnectionFailedError, UsageError } from './errors.js'
import type { HostEntry } from './host-list.js'
import type { TargetSessionAttrs } from './parameter-checks.js'
import { passfileHost, readPassfile } from './passfile.js'
import type { Session } from './session.js'
import { type HostPassword, type Search, tryAddress } from './try-address.js'

/**
 * Connects and authenticates, with libpq's rules for hosts, encryption and passwords.
 *
 * Hosts are tried in order (shuffled for load_balance_hosts=random), each with all its
 * addresses. A host that cannot be reached, does not answer in time, is starting up or
 * has the wrong session attributes gives way to the next; one that refuses the role or
 * fails a security check ends the search. Unlike in libpq a host that breaks the line
 * off before it has answered gives way too.
 *
 * @param replication `true` for a physical walsender, `database` for a logical one, null for SQL
 * @throws UsageError for bad options, before anything is sent
 * @throws ConnectionFailedError with libpq's text for every address that was tried
 * @throws the signal's reason on abort; no socket is left open then
 */
export async function openSession(options: ConnectOptions, replication: ReplicationMode): Promise<Session> {
  const parameters = connectionParameters(options, replication)
  for (const keyword of parameters.ignored)
    options.onWarning?.(`connection option "${keyword}" is not supported and has no effect`)
  const signal = options.signal ?? new AbortController().signal
  try {
    return await searchHosts(options, parameters, parameters.password, signal)
  } catch (error) {
    const password = await askedPassword(options, error, signal)
    if (password === null) throw error
    return searchHosts(options, parameters, password, signal)
  }
}

/**
 * The password of whoever can be asked, when the lack of one was the trouble.
 *
 * The connection that wanted it is closed by now, so a person may take longer than the
 * server's authentication_timeout.
 */
async function askedPassword(
  options: ConnectOptions,
  error: unknown,
  signal: AbortSignal,
): Promise<string | null> {
  if (!(error instanceof ConnectionFailedError) || error.code !== 'PG_NO_PASSWORD') return null
  if (typeof options.password !== 'function') return null
  const password = await abortable(Promise.resolve(options.password()), signal)
  if (typeof password !== 'string') throw new UsageError('the password must be a string')
  return password === '' ? null : password
}

async function searchHosts(
  options: ConnectOptions,
  parameters: ConnectionParameters,
  password: string | undefined,
  signal: AbortSignal,
): Promise<Session> {
  const search: Search = { parameters, signal, failures: [], onNotice: options.onNotice }
  const hosts = parameters.shuffleHosts ? shuffled(parameters.hosts) : parameters.hosts
  for (const wanted of rounds(parameters.targetSessionAttrs)) {
    for (const entry of hosts) {
      const hostPassword =
        password !== undefined
          ? { password, passfile: null }
          : passwordFromFile(parameters, entry, options.onWarning)
      const session = await tryHost(search, entry, wanted, hostPassword)
      if (session !== null) return session
    }
  }
  throw joinFailures(search.failures)
}

/** prefer-standby takes any server in a second round, once no standby was found. */
function rounds(wanted: TargetSessionAttrs): TargetSessionAttrs[] {
  return wanted === 'prefer-standby' ? ['prefer-standby', 'any'] : [wanted]
}

/** All addresses of one host. Null when the next host is to be tried. */
async function tryHost(
  search: Search,
  entry: HostEntry,
  wanted: TargetSessionAttrs,
  hostPassword: HostPassword,
): Promise<Session | null> {
  const { parameters, signal } = search
  signal.throwIfAborted()
  let addresses: Address[]
  try {
    addresses = await lookupAddresses(entry, signal)
  } catch (error) {
    if (!(error instanceof ConnectionFailedError)) throw error
    search.failures.push(error)
    return null
  }
  for (const address of parameters.shuffleHosts ? shuffled(addresses) : addresses) {
    const outcome = await tryAddress(search, entry, address, wanted, hostPassword)
    if (outcome === 'next host') return null
    if (outcome !== 'next address') return outcome
  }
  return null
}

function passwordFromFile(
  parameters: ConnectionParameters,
  entry: HostEntry,
  onWarning: ((text: string) => void) | undefined,
): HostPassword {
  if (!parameters.passfile) return { password: undefined, passfile: null }
  const password = readPassfile(
    parameters.passfile,
    {
      host: passfileHost(entry.host === '' ? entry.hostaddr : entry.host),
      port: String(entry.port),
      database: parameters.database,
      user: parameters.user,
    },
    (text) => onWarning?.(text),
  )
  return password === null
    ? { password: undefined, passfile: null }
    : { password, passfile: parameters.passfile }
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  const result = [...items]
  for (let index = result.length - 1; index > 0; index -= 1) {
    const other = randomInt(index + 1)
    ;[result[index], result[other]] = [result[other]!, result[index]!]
  }
  return result
}
