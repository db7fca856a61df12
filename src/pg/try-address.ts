import type { Address } from './address-lookup.js'
import { type AttemptFailure, attempt } from './attempt.js'
import { describeFailure, failurePrefix, isFinal, joinFailures } from './connection-failure.js'
import type { ConnectionParameters } from './connection-parameters.js'
import { ConnectionFailedError, ServerError, type ServerFields, UsageError } from './errors.js'
import type { HostEntry } from './host-list.js'
import type { Encryption } from './open-transport.js'
import type { TargetSessionAttrs } from './parameter-checks.js'
import type { Session } from './session.js'
import { sessionMismatch } from './session-attributes.js'

/** A search for a server: what all its attempts share. */
export interface Search {
  readonly parameters: ConnectionParameters
  /** The caller's own signal, apart from any timeout. */
  readonly signal: AbortSignal
  /** Everything that did not work, in order. */
  readonly failures: ConnectionFailedError[]
  readonly onNotice: ((notice: ServerFields) => void) | undefined
}

/** The password for one host, and the password file it came from, if it did. */
export interface HostPassword {
  readonly password: string | undefined
  readonly passfile: string | null
}

/** A session, or where to go on. */
export type AddressOutcome = Session | 'next address' | 'next host'

/**
 * Tries one address within `connect_timeout`, in each way of encryption that `sslmode` allows.
 *
 * @throws ConnectionFailedError when the search must end here
 * @throws UsageError; the signal's reason on abort
 */
export async function tryAddress(
  search: Search,
  entry: HostEntry,
  address: Address,
  wanted: TargetSessionAttrs,
  hostPassword: HostPassword,
): Promise<AddressOutcome> {
  const { connectTimeoutMs } = search.parameters
  const timeout = new AbortController()
  const timer = connectTimeoutMs > 0 ? setTimeout(() => timeout.abort(), connectTimeoutMs) : undefined
  const signal = AbortSignal.any([search.signal, timeout.signal])
  try {
    const session = await connectAddress(search, entry, address, hostPassword.password, signal)
    if (wanted === 'any') return session
    const mismatch = await mismatchOrClose(session, wanted, search.parameters, signal)
    if (mismatch === null) return session
    search.failures.push(mismatchFailure(mismatch, entry, address))
    return 'next host'
  } catch (error) {
    search.signal.throwIfAborted()
    if (error instanceof UsageError) throw error
    const failure = timeout.signal.aborted
      ? timeoutFailure(entry, address)
      : describeFailure(error, entry, address, passfileNote(error, hostPassword.passfile))
    search.failures.push(failure)
    if (isFinal(failure)) throw joinFailures(search.failures)
    return 'next address'
  } finally {
    clearTimeout(timer)
  }
}

async function connectAddress(
  search: Search,
  entry: HostEntry,
  address: Address,
  password: string | undefined,
  signal: AbortSignal,
): Promise<Session> {
  const { parameters } = search
  const credentials = {
    user: parameters.user,
    password,
    scramClientKey: parameters.scramClientKey,
    scramServerKey: parameters.scramServerKey,
  }
  const [first, second] = encryptionPlan(parameters, entry)
  const { onNotice } = search
  const result = await attempt({
    parameters,
    entry,
    address,
    encryption: first,
    credentials,
    signal,
    onNotice,
  })
  if ('session' in result) return result.session
  if (second === undefined || signal.aborted || !worthOtherEncryption(result, first)) throw result.error
  search.failures.push(describeFailure(result.error, entry, address, ''))
  const again = await attempt({
    parameters,
    entry,
    address,
    encryption: second,
    credentials,
    signal,
    onNotice,
  })
  if ('session' in again) return again.session
  throw again.error
}

/** What to try with one address, in order. A Unix socket never carries TLS. */
function encryptionPlan(
  parameters: ConnectionParameters,
  entry: HostEntry,
): [first: Encryption, second?: Encryption] {
  if (entry.kind === 'socket') return ['plain']
  switch (parameters.tls.mode) {
    case 'disable':
      return ['plain']
    case 'allow':
      return ['plain', 'required']
    case 'prefer':
      return ['offered', 'plain']
    default:
      return ['required']
  }
}

/**
 * sslmode allow and prefer: a second attempt the other way helps where pg_hba.conf has a
 * line for only one of them, or the handshake failed. Once the server has asked for
 * authentication the way is not the problem, and a password must not go out a second
 * time over a plain line because it was wrong on the encrypted one.
 */
function worthOtherEncryption(result: AttemptFailure, encryption: Encryption): boolean {
  if (result.authenticating) return false
  const refused = result.error instanceof ServerError && result.error.sqlState !== '57P03'
  return encryption === 'plain' ? refused : result.handshakeFailed || (result.encrypted && refused)
}

/** Closes the session unless it fits. */
async function mismatchOrClose(
  session: Session,
  wanted: TargetSessionAttrs,
  parameters: ConnectionParameters,
  signal: AbortSignal,
): Promise<string | null> {
  let fits = false
  try {
    const mismatch = await sessionMismatch(wanted, {
      wire: session.wire,
      parameters: session.parameters,
      physical: parameters.replication === 'true',
      signal,
    })
    fits = mismatch === null
    return mismatch
  } finally {
    if (!fits) session.transport.destroy()
  }
}

function mismatchFailure(reason: string, entry: HostEntry, address: Address): ConnectionFailedError {
  return new ConnectionFailedError(`${failurePrefix(entry, address)}${reason}`, {
    code: 'PG_SESSION_ATTRIBUTES',
    // A failover changes which server is which.
    retryable: true,
    hint: 'no host of the list has the session that target_session_attrs asks for',
  })
}

function timeoutFailure(entry: HostEntry, address: Address): ConnectionFailedError {
  return new ConnectionFailedError(`${failurePrefix(entry, address)}timeout expired`, {
    code: 'PG_CONNECT_TIMEOUT',
    retryable: true,
    hint: 'check host, port and firewalls, or raise connect_timeout',
  })
}

/** A wrong password from a forgotten file is a riddle unless the file is named. */
function passfileNote(error: unknown, passfile: string | null): string {
  const wrongPassword = error instanceof ServerError && error.sqlState === '28P01'
  return wrongPassword && passfile !== null ? `\npassword retrieved from file "${passfile}"` : ''
}
