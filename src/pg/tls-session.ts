import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import tls from 'node:tls'
import { errnoOf, errnoText } from '../base/index.js'
import type { TlsParameters } from './connection-parameters.js'
import { ConnectionFailedError, ConnectionLostError } from './errors.js'
import { loadClientCertificate, loadRevocationLists, loadRootCertificates } from './tls-files.js'

/** The protocol name a server expects in ALPN; for direct TLS it is mandatory (PostgreSQL 17). */
const ALPN_NAME = 'postgresql'

/** Node's options for the handshake, and what to check after it. */
export interface TlsPlan {
  readonly options: tls.ConnectionOptions
  /** verify-full: the certificate must be for this name. */
  readonly expectedHost: string | null
  readonly direct: boolean
  readonly hasClientCertificate: boolean
  /** The TLS versions allowed, in words. */
  readonly versions: string
}

/**
 * Prepares a handshake with libpq's meaning of `sslmode`. PostgreSQL chapter 32.19.
 *
 * Reads all files here, so that nothing but the handshake itself comes between the
 * server's answer to SSLRequest and the first TLS byte.
 *
 * @param host the name as the user gave it; empty when only an address is known
 * @throws ConnectionFailedError for files that are missing or unusable
 */
export function planTls(parameters: TlsParameters, host: string): TlsPlan {
  const roots = loadRootCertificates(parameters)
  const client = loadClientCertificate(parameters)
  const revocationLists = loadRevocationLists(parameters)
  if (parameters.mode === 'verify-full' && host === '')
    throw new ConnectionFailedError('host name must be specified for a verified SSL connection', {
      code: 'PG_TLS_VERIFY',
      hint: 'give the name that the certificate is for in host, beside hostaddr',
    })
  let secureContext: tls.SecureContext
  try {
    secureContext = tls.createSecureContext({
      // An explicit list: without one Node would trust the authorities it brings along.
      ca: roots ?? [],
      crl: revocationLists.length > 0 && roots !== null ? revocationLists : undefined,
      cert: client?.certificate,
      key: client?.key,
      // An empty text and not undefined: OpenSSL would ask for it on the terminal otherwise.
      passphrase: parameters.keyPassword ?? '',
      minVersion: parameters.minVersion,
      maxVersion: parameters.maxVersion,
    })
  } catch (cause) {
    throw contextFailure(cause, client?.keyFile)
  }
  return {
    options: {
      secureContext,
      rejectUnauthorized: roots !== null,
      // The name is checked after the handshake, with libpq's rules and words.
      checkServerIdentity: () => undefined,
      // An address is no server name (RFC 6066), and an empty text keeps Node from making one up.
      servername: parameters.sendServerName && isIP(host) === 0 ? host : '',
      ALPNProtocols: [ALPN_NAME],
    },
    expectedHost: parameters.mode === 'verify-full' ? host : null,
    direct: parameters.direct,
    hasClientCertificate: client !== null,
    versions: `${parameters.minVersion ?? 'TLSv1'} and ${parameters.maxVersion ?? 'TLSv1.3'}`,
  }
}

/**
 * Checks that need the finished handshake, before anything is sent through it.
 *
 * @throws ConnectionFailedError when the peer is not who was asked for
 */
export function checkTlsSession(socket: tls.TLSSocket, plan: TlsPlan): void {
  if (plan.direct && socket.alpnProtocol !== ALPN_NAME)
    throw new ConnectionFailedError(
      'direct SSL connection was established without ALPN protocol negotiation extension',
      { code: 'PG_TLS', hint: 'sslnegotiation=direct needs a server of version 17 or newer' },
    )
  if (plan.expectedHost === null) return
  const certificate = serverCertificate(socket)
  if (certificate === null)
    throw new ConnectionFailedError('certificate could not be obtained', { code: 'PG_TLS_VERIFY' })
  checkServerName(new X509Certificate(certificate), plan.expectedHost)
}

/** DER of the server's certificate, for channel binding. */
export function serverCertificate(socket: tls.TLSSocket): Buffer | null {
  const { raw } = socket.getPeerCertificate()
  return raw ?? null
}

/**
 * sslcertmode=require: libpq's complaint unless the server asked for a certificate and we had one.
 *
 * Signature algorithms are agreed on a client's side only when a CertificateRequest came.
 */
export function clientCertificateProblem(socket: tls.TLSSocket, plan: TlsPlan): string | null {
  if (socket.getSharedSigalgs().length === 0) return 'server did not request an SSL certificate'
  return plan.hasClientCertificate ? null : 'server accepted connection without a valid SSL certificate'
}

/**
 * verify-full: the certificate must name the host. Alternative names of the host's kind
 * come first; the common name counts only when there are none.
 */
export function checkServerName(certificate: X509Certificate, host: string): void {
  const alternatives = (certificate.subjectAltName ?? '').split(', ').filter((name) => name !== '')
  const isAddress = isIP(host) !== 0
  const sameKind = alternatives.filter((name) => name.startsWith(isAddress ? 'IP Address:' : 'DNS:'))
  const nameOptions = {
    subject: sameKind.length > 0 ? 'never' : 'always',
    wildcards: true,
    partialWildcards: false,
    multiLabelWildcards: false,
  } as const
  if (isAddress && certificate.checkIP(host) !== undefined) return
  if (certificate.checkHost(host, nameOptions) !== undefined) return

  const commonName = /^CN=(.*)$/m.exec(certificate.subject ?? '')?.[1]
  const names = alternatives
    .filter((name) => /^(DNS|IP Address):/.test(name))
    .map((name) => name.replace(/^[^:]*:/, ''))
  if (sameKind.length === 0 && commonName !== undefined) names.push(commonName)
  const [first, ...others] = names
  if (first === undefined)
    throw new ConnectionFailedError("could not get server's host name from server certificate", {
      code: 'PG_TLS_VERIFY',
    })
  const more =
    others.length === 0 ? '' : ` (and ${others.length} other ${others.length === 1 ? 'name' : 'names'})`
  throw new ConnectionFailedError(
    `server certificate for "${first}"${more} does not match host name "${host}"`,
    {
      code: 'PG_TLS_VERIFY',
      hint: 'connect by a name the certificate holds, and put the address into hostaddr',
    },
  )
}

/** Reasons OpenSSL gives when the two ends have no TLS version in common. */
const VERSION_REASON =
  /^(tlsv1 alert protocol version|unsupported protocol|wrong version number|wrong ssl version|unknown ssl version|no protocols available|version too (high|low)|bad protocol version number)$/

/** A failed handshake in libpq's words. */
export function handshakeFailure(cause: unknown, plan: TlsPlan | null): ConnectionFailedError {
  if (cause instanceof ConnectionFailedError) return cause
  const code = errnoOf(cause) ?? ''
  const reason = cause instanceof Error && 'reason' in cause ? String(cause.reason) : undefined
  // OpenSSL's verdicts on a chain are the codes of several words: CERT_HAS_EXPIRED, SELF_SIGNED_CERT_IN_CHAIN.
  if (/^(?!ERR_|PG_|EAI_)[A-Z]+(_[A-Z]+)+$/.test(code))
    return new ConnectionFailedError('SSL error: certificate verify failed', {
      code: 'PG_TLS_VERIFY',
      hint: `${cause instanceof Error ? cause.message : code}; sslrootcert must hold the authority that signed the server's certificate`,
      context: { reason: code },
      cause,
    })
  if (cause instanceof ConnectionLostError || code === 'ECONNRESET')
    return new ConnectionFailedError(
      code === 'ECONNRESET' && !(cause instanceof Error && /before secure TLS/.test(cause.message))
        ? `SSL SYSCALL error: ${errnoText(cause)}`
        : 'SSL SYSCALL error: EOF detected',
      { code: 'PG_TLS', retryable: true, cause },
    )
  if (reason !== undefined || code.startsWith('ERR_SSL')) {
    const text = reason ?? (cause instanceof Error ? cause.message : code)
    const note =
      plan !== null && VERSION_REASON.test(text)
        ? `\nThis may indicate that the server does not support any SSL protocol version between ${plan.versions}.`
        : ''
    return new ConnectionFailedError(`SSL error: ${text}${note}`, {
      code: 'PG_TLS',
      hint: 'compare ssl_min_protocol_version, ssl_max_protocol_version and ssl_ciphers on both sides',
      cause,
    })
  }
  return new ConnectionFailedError(`could not establish SSL connection: ${errnoText(cause)}`, {
    code: 'PG_TLS',
    retryable: true,
    cause,
  })
}

/** Certificate, key or passphrase that OpenSSL does not take. Its reason never holds key material. */
function contextFailure(cause: unknown, keyFile: string | undefined): ConnectionFailedError {
  const reason = cause instanceof Error && 'reason' in cause ? String(cause.reason) : errnoText(cause)
  return new ConnectionFailedError(
    keyFile === undefined
      ? `could not create SSL context: ${reason}`
      : `could not load private key file "${keyFile}": ${reason}`,
    {
      code: 'PG_TLS_FILE',
      hint: keyFile === undefined ? undefined : 'check that certificate, key and sslpassword belong together',
      cause,
    },
  )
}
