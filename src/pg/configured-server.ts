import type { ConnectOptions } from './connect-options.js'
import { parseConnectionString } from './conninfo.js'
import { makeHostList } from './host-list.js'
import { gatherParameters } from './parameter-sources.js'

/** Keywords of libpq whose value is a secret (PostgreSQL chapter 32.1.2). */
const SECRET_KEYWORDS = [
  'password',
  'sslpassword',
  'scram_client_key',
  'scram_server_key',
  'oauth_client_secret',
]

/**
 * Which secrets a connection string carries.
 *
 * @returns keywords, such as `password`; none for a text that cannot be read, whose mistakes are told elsewhere
 */
export function secretsIn(connectionString: string): string[] {
  try {
    const parameters = parseConnectionString(connectionString)
    return SECRET_KEYWORDS.filter((keyword) => parameters.get(keyword))
  } catch {
    return []
  }
}

/**
 * The places that would be connected to, without looking any name up: `host:port`, or the path of a socket.
 *
 * @throws UsageError with libpq's text
 */
export function configuredServers(options: ConnectOptions): string[] {
  const { values } = gatherParameters(options)
  return makeHostList(values).map(({ kind, host, hostaddr, port, socketPath }) =>
    kind === 'socket' ? socketPath : `${kind === 'address' ? hostaddr : host.toLowerCase()}:${port}`,
  )
}
