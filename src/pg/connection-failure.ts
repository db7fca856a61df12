import { errnoOf, errnoText } from '../base/index.js'
import type { Address } from './address-lookup.js'
import { ConnectionFailedError, ConnectionLostError, PgError, ServerError } from './errors.js'
import type { HostEntry } from './host-list.js'

/** libpq's opening words for what went wrong with one address. */
export function failurePrefix(entry: HostEntry, address: Address): string {
  if (address.kind === 'socket') return `connection to server on socket "${entry.socketPath}" failed: `
  const shown = entry.kind === 'address' ? entry.hostaddr : entry.host
  const resolved = entry.kind !== 'address' && shown !== address.ip ? ` (${address.ip})` : ''
  return `connection to server at "${shown}"${resolved}, port ${address.port} failed: `
}

/** The socket could not be opened. */
export function openFailure(cause: unknown, address: Address): ConnectionFailedError {
  const question =
    address.kind === 'socket'
      ? '\tIs the server running locally and accepting connections on that socket?'
      : '\tIs the server running on that host and accepting TCP/IP connections?'
  const wrongPlace = errnoOf(cause) === 'EACCES' || errnoOf(cause) === 'EPERM'
  return new ConnectionFailedError(`${errnoText(cause)}\n${question}`, {
    // A server that is down comes back; a socket that we may not use stays closed to us.
    retryable: !wrongPlace,
    cause,
  })
}

/** The server answered the start-up packet with an error. */
export function serverFailure(error: ServerError): ConnectionFailedError {
  return new ConnectionFailedError(error.text, {
    code: error.sqlState.startsWith('28') ? 'PG_AUTHENTICATION' : 'PG_CONNECTION_REFUSED',
    sqlState: error.sqlState,
    retryable: error.retryable,
    hint: error.hint ?? SERVER_HINTS[error.sqlState],
    context: error.context,
    cause: error,
  })
}

const SERVER_HINTS: Readonly<Record<string, string>> = {
  '28000': 'the role needs LOGIN and REPLICATION, and pg_hba.conf a line that lets it in',
  '28P01': 'check the role and its password; after a password change, the password file too',
  '42501': 'grant it with: ALTER ROLE ... REPLICATION',
  '53300': 'raise max_wal_senders or max_connections, or end sessions that are no longer used',
  '57P03': 'the server is starting up, shutting down or in recovery: it will take connections later',
  '3D000': 'check the database name',
}

/** What went wrong with one address, with the address in front. */
export function describeFailure(
  error: unknown,
  entry: HostEntry,
  address: Address,
  suffix: string,
): ConnectionFailedError {
  const known = error instanceof ServerError ? serverFailure(error) : error
  const text = known instanceof Error ? known.message : String(known)
  const pgError = known instanceof PgError ? known : null
  return new ConnectionFailedError(`${failurePrefix(entry, address)}${text}${suffix}`, {
    code: known instanceof ConnectionLostError ? 'PG_CONNECTION_LOST' : pgError?.code,
    sqlState: pgError?.sqlState,
    retryable: pgError?.retryable ?? false,
    hint: pgError?.hint,
    context: pgError?.context,
    cause: pgError?.cause ?? known,
  })
}

/**
 * All that was tried, one below the other as libpq prints it.
 *
 * @param decisive the failure that ended the search
 */
export function joinFailures(failures: readonly ConnectionFailedError[]): ConnectionFailedError {
  const decisive = failures.at(-1)!
  if (failures.length === 1) return decisive
  return new ConnectionFailedError(failures.map((failure) => failure.message).join('\n'), {
    code: decisive.code,
    sqlState: decisive.sqlState,
    // A refusal that ends the search comes last; before it every failure let the search go on.
    retryable: failures.some((failure) => failure.retryable) && !isFinal(decisive),
    hint: decisive.hint,
    context: decisive.context,
    cause: decisive,
  })
}

/** True where the next host must not be tried: a reached server said no, or we must not trust it. */
export function isFinal(failure: ConnectionFailedError): boolean {
  // A handshake that the peer broke off is a dying host, not a refusal.
  if (failure.code === 'PG_TLS' && failure.retryable) return false
  return FINAL_CODES.has(failure.code) && failure.sqlState !== CANNOT_CONNECT_NOW
}

const CANNOT_CONNECT_NOW = '57P03'

const FINAL_CODES: ReadonlySet<string> = new Set([
  'PG_AUTHENTICATION',
  'PG_CONNECTION_REFUSED',
  'PG_NO_PASSWORD',
  'PG_SCRAM',
  'PG_TLS',
  'PG_TLS_FILE',
  'PG_TLS_VERIFY',
  'PG_PROTOCOL',
  'PG_USAGE',
])
