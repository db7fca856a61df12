import type { TLSSocket } from 'node:tls'
import { serialize } from 'pg-protocol'
import { abortable } from './address-lookup.js'
import { Authentication, type Credentials } from './authentication.js'
import { ConnectionFailedError, ConnectionLostError, type ServerFields } from './errors.js'
import { cancelFrame } from './frontend.js'
import { openTransport, type TransportProgress, type TransportRequest } from './open-transport.js'
import { parseServerVersion, type Session } from './session.js'
import { clientCertificateProblem, serverCertificate, type TlsPlan } from './tls-session.js'
import type { Transport } from './transport.js'
import { Wire } from './wire.js'

export interface AttemptInput extends TransportRequest {
  readonly credentials: Credentials
  readonly onNotice?: (notice: ServerFields) => void
}

interface Progress extends TransportProgress {
  /** The server had asked for authentication, or waived it: what fails from here on is not the way there. */
  authenticating: boolean
}

/** A failed attempt, and how far it got, which decides what is tried next. */
export interface AttemptFailure extends Readonly<Progress> {
  readonly error: unknown
}

/**
 * One attempt at one address: socket, TLS, start-up packet, authentication, up to the
 * first ReadyForQuery. PostgreSQL chapter 54.2.1.
 *
 * Whatever goes wrong, the socket is closed before this returns.
 */
export async function attempt(input: AttemptInput): Promise<{ readonly session: Session } | AttemptFailure> {
  const progress: Progress = { encrypted: false, handshakeFailed: false, authenticating: false }
  let transport: Transport | null = null
  try {
    const opened = await openTransport(input, progress)
    transport = opened.transport
    return { session: await startUp(transport, input, opened.plan, progress) }
  } catch (error) {
    transport?.destroy()
    return { error: withTlsAlert(error), ...progress }
  }
}

/** The largest message of a start-up, the most of them, and the most that the settings told may take, in bytes. */
const MAX_STARTUP_MESSAGE = 1024 * 1024
const MAX_STARTUP_MESSAGES = 10_000
const MAX_SETTINGS_BYTES = 1024 * 1024

/** From the start-up packet to ReadyForQuery. Bounded: whoever answers has not proved yet who he is. */
async function startUp(
  transport: Transport,
  input: AttemptInput,
  plan: TlsPlan | null,
  progress: Progress,
): Promise<Session> {
  const { parameters, credentials, signal, entry } = input
  const tlsSocket = transport.encrypted ? (transport.socket as TLSSocket) : null
  const wire = new Wire(transport)
  const authentication = new Authentication(wire, credentials, {
    requireAuth: parameters.requireAuth,
    channelBinding: parameters.channelBinding,
    serverCertificate: tlsSocket === null ? null : serverCertificate(tlsSocket),
    clientCertificateProblem: certificateProblem(tlsSocket, input, plan),
  })
  wire.limitMessages(MAX_STARTUP_MESSAGE)
  wire.send(serialize.startup({ ...parameters.startup }))

  const settings = new Map<string, string>()
  let backendPid = 0
  let backendKey = Buffer.alloc(0)
  let authenticated = false
  let settingsBytes = 0
  for (let count = 1; ; count++) {
    if (count > MAX_STARTUP_MESSAGES) throw endless(`${MAX_STARTUP_MESSAGES} messages`)
    const message = await wire.next(signal)
    switch (message.name) {
      case 'error':
        throw message.error
      case 'notice':
        input.onNotice?.(message.notice)
        continue
      case 'negotiateProtocolVersion':
        // The server speaks an older minor version or does not know an option; 3.0 is all we asked for.
        continue
    }
    if (!authenticated) {
      const answer = authentication.handle(message)
      progress.authenticating = authentication.requested
      authenticated = await abortable(answer, signal)
      progress.authenticating ||= authenticated
      continue
    }
    switch (message.name) {
      case 'parameterStatus':
        settingsBytes += message.parameterName.length + message.parameterValue.length
        if (settingsBytes > MAX_SETTINGS_BYTES) throw endless(`${settingsBytes} bytes of settings`)
        settings.set(message.parameterName, message.parameterValue)
        break
      case 'backendKeyData':
        backendPid = message.processID
        backendKey = Buffer.from(message.secretKey)
        break
      case 'readyForQuery': {
        checkIntegerDatetimes(settings)
        wire.limitMessages()
        return {
          transport,
          wire,
          parameters: settings,
          serverVersion: parseServerVersion(settings.get('server_version') ?? ''),
          backendPid,
          backendKey,
          cancel: (cancelSignal) =>
            sendCancel({ ...input, signal: cancelSignal }, transport, cancelFrame(backendPid, backendKey)),
          host: entry.host === '' ? entry.hostaddr : entry.host,
          port: String(entry.port),
          user: parameters.user,
          database: parameters.database,
          passwordUsed: authentication.passwordUsed ? credentials.password : undefined,
        }
      }
      default:
        throw new ConnectionFailedError('unexpected message from server during startup', {
          code: 'PG_PROTOCOL',
          retryable: true,
          context: { message: message.name },
        })
    }
  }
}

/** The server closes the line once it has acted on the request, and answers nothing. */
async function sendCancel(request: TransportRequest, session: Transport, frame: Buffer): Promise<void> {
  const encryption = session.encrypted ? 'required' : 'plain'
  const { transport } = await openTransport(
    { ...request, encryption },
    { encrypted: false, handshakeFailed: false },
  )
  const stop = () => transport.destroy()
  request.signal.addEventListener('abort', stop, { once: true })
  try {
    transport.write(frame)
    await new Promise<void>((resolve) => transport.start({ onBytes() {}, onClose: () => resolve() }))
  } finally {
    request.signal.removeEventListener('abort', stop)
    transport.destroy()
  }
}

function endless(what: string): ConnectionFailedError {
  return new ConnectionFailedError(`server sent ${what} and is not ready for a command`, {
    code: 'PG_PROTOCOL',
    retryable: true,
    hint: 'host and port may belong to something that is not PostgreSQL',
  })
}

function certificateProblem(
  socket: TLSSocket | null,
  input: AttemptInput,
  plan: TlsPlan | null,
): string | null {
  if (input.parameters.tls.certMode !== 'require') return null
  return socket === null || plan === null
    ? 'server did not request an SSL certificate'
    : clientCertificateProblem(socket, plan)
}

/** Floating-point timestamps would make every time in the protocol wrong. */
function checkIntegerDatetimes(settings: ReadonlyMap<string, string>): void {
  const value = settings.get('integer_datetimes')
  if (value === undefined)
    throw new ConnectionFailedError('could not determine server setting for "integer_datetimes"')
  if (value !== 'on')
    throw new ConnectionFailedError('"integer_datetimes" compile flag does not match server')
}

/** TLS 1.3 brings the server's refusal of our certificate only after the handshake, as an error of the first read. */
function withTlsAlert(error: unknown): unknown {
  if (!(error instanceof ConnectionLostError)) return error
  const { cause } = error
  if (cause instanceof Error && 'reason' in cause && 'library' in cause)
    return new ConnectionFailedError(`SSL error: ${cause.reason}`, {
      code: 'PG_TLS',
      hint: 'the server wants a client certificate it trusts: see sslcert and sslkey',
      cause,
    })
  return error
}
