import type { TLSSocket } from 'node:tls'
import { serialize } from 'pg-protocol'
import type { Address } from './address-lookup.js'
import { openFailure } from './connection-failure.js'
import type { ConnectionParameters } from './connection-parameters.js'
import { ConnectionFailedError } from './errors.js'
import type { HostEntry } from './host-list.js'
import { checkTlsSession, handshakeFailure, planTls, type TlsPlan } from './tls-session.js'
import { Transport } from './transport.js'

/** How a connection goes about encryption. `offered` takes what the server has. */
export type Encryption = 'plain' | 'offered' | 'required'

/** Where to and how. */
export interface TransportRequest {
  readonly parameters: ConnectionParameters
  readonly entry: HostEntry
  readonly address: Address
  readonly encryption: Encryption
  readonly signal: AbortSignal
}

/** How far a connection got. Kept up to date while it is made. */
export interface TransportProgress {
  encrypted: boolean
  /** The handshake itself failed. */
  handshakeFailed: boolean
}

/** An open connection; `plan` says how it is encrypted, if it is. */
export interface OpenTransport {
  readonly transport: Transport
  readonly plan: TlsPlan | null
}

/**
 * Opens a connection and encrypts it as asked: everything before the start-up packet.
 *
 * Whatever goes wrong, the socket is closed before this throws.
 *
 * @throws ConnectionFailedError with libpq's text; the signal's reason on abort
 */
export async function openTransport(
  request: TransportRequest,
  progress: TransportProgress,
): Promise<OpenTransport> {
  const { plan, problem } = prepareTls(request)
  const transport = await open(request, plan, progress)
  try {
    keepAlive(transport, request)
    if (plan?.direct) checkTlsSession(transport.socket as TLSSocket, plan)
    else if (request.encryption !== 'plain')
      await negotiateTls(transport, request, { plan, problem }, progress)
    return { transport, plan: progress.encrypted ? plan : null }
  } catch (error) {
    transport.destroy()
    throw error
  }
}

/** What the handshake will use, or why there can be none. */
interface PreparedTls {
  readonly plan: TlsPlan | null
  readonly problem: ConnectionFailedError | null
}

/**
 * Under sslmode=prefer a missing key file matters only once the server says it has TLS,
 * and even then there is the way without.
 */
function prepareTls(request: TransportRequest): PreparedTls {
  if (request.encryption === 'plain') return { plan: null, problem: null }
  try {
    return { plan: planTls(request.parameters.tls, request.entry.host), problem: null }
  } catch (error) {
    if (request.encryption === 'required' || !(error instanceof ConnectionFailedError)) throw error
    return { plan: null, problem: error }
  }
}

async function open(
  request: TransportRequest,
  plan: TlsPlan | null,
  progress: TransportProgress,
): Promise<Transport> {
  const { address, signal } = request
  const place = address.kind === 'socket' ? { path: address.path } : { host: address.ip, port: address.port }
  if (plan?.direct) {
    try {
      const transport = await Transport.connectTls({ ...place, ...plan.options }, signal)
      progress.encrypted = true
      return transport
    } catch (error) {
      if (signal.aborted) throw error
      if (error instanceof Error && 'syscall' in error && error.syscall === 'connect')
        throw openFailure(error, address)
      progress.handshakeFailed = true
      throw handshakeFailure(error, plan)
    }
  }
  try {
    return await Transport.connect(place, signal)
  } catch (error) {
    throw signal.aborted ? error : openFailure(error, address)
  }
}

/** SSLRequest: one byte answers it, `S` or `N`. PostgreSQL chapter 54.2.9. */
async function negotiateTls(
  transport: Transport,
  request: TransportRequest,
  { plan, problem }: PreparedTls,
  progress: TransportProgress,
): Promise<void> {
  transport.write(serialize.requestSsl())
  const answer = String.fromCharCode(await transport.readByte(request.signal))
  if (answer === 'N') {
    if (request.encryption === 'offered') return
    throw new ConnectionFailedError('server does not support SSL, but SSL was required', {
      code: 'PG_TLS',
      hint: 'set ssl=on on the server, or relax sslmode',
    })
  }
  if (answer === 'E')
    throw new ConnectionFailedError('server sent an error response during SSL exchange', {
      retryable: true,
      hint: "the server's log says why",
    })
  if (answer !== 'S')
    throw new ConnectionFailedError(`received invalid response to SSL negotiation: ${answer}`, {
      code: 'PG_PROTOCOL',
      hint: 'host and port may belong to something that is not PostgreSQL',
    })
  try {
    if (plan === null) throw problem
    await transport.upgradeToTls(plan.options, request.signal)
  } catch (error) {
    if (request.signal.aborted) throw error
    progress.handshakeFailed = true
    throw handshakeFailure(error, plan)
  }
  progress.encrypted = true
  checkTlsSession(transport.socket as TLSSocket, plan)
}

function keepAlive(transport: Transport, request: TransportRequest): void {
  const { keepaliveIdleMs } = request.parameters
  if (request.address.kind === 'tcp' && keepaliveIdleMs !== null)
    transport.socket.setKeepAlive(true, keepaliveIdleMs)
}
