import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { rootCertificates } from 'node:tls'
import { errnoOf, errnoText } from '../base/index.js'
import type { TlsParameters } from './connection-parameters.js'
import { ConnectionFailedError } from './errors.js'

/** Where systems keep the certificates of the authorities they trust, most common first. */
const SYSTEM_ROOT_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
  '/usr/local/etc/ssl/cert.pem',
]

/** A wrong file is no trouble of the network: trying again will not help. */
function unusable(message: string, options: { hint?: string; cause?: unknown } = {}): ConnectionFailedError {
  return new ConnectionFailedError(message, { code: 'PG_TLS_FILE', ...options })
}

/**
 * The authorities to check the server's certificate against, or null when it is not checked.
 *
 * As in libpq a root file that is there is always used, so that `require` with one is as
 * strict as `verify-ca`. PostgreSQL chapter 32.19.1.
 *
 * @throws ConnectionFailedError when a verifying mode has no root file
 */
export function loadRootCertificates(tls: TlsParameters): (string | Buffer)[] | null {
  if (tls.rootCert === 'system') return systemRoots()
  const file = tls.rootCert ?? inHome(tls, 'root.crt')
  const verifying = tls.mode === 'verify-ca' || tls.mode === 'verify-full'
  if (file === undefined) {
    if (!verifying) return null
    throw unusable(`could not get home directory to locate root certificate file\n${ROOT_FILE_HELP}`)
  }
  try {
    return [readFileSync(file)]
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT' && errnoOf(cause) !== 'ENOTDIR')
      throw unusable(`could not read root certificate file "${file}": ${errnoText(cause)}`, { cause })
    if (!verifying) return null
    throw unusable(`root certificate file "${file}" does not exist\n${ROOT_FILE_HELP}`, { cause })
  }
}

const ROOT_FILE_HELP =
  "Either provide the file, use the system's trusted roots with sslrootcert=system, or change sslmode to disable server certificate verification."

/** Node brings its own list of authorities; libpq uses the system's, where a company adds its own. */
function systemRoots(): (string | Buffer)[] {
  for (const file of SYSTEM_ROOT_FILES) {
    try {
      return [readFileSync(file)]
    } catch {
      // The next place, then.
    }
  }
  return [...rootCertificates]
}

/** Revocation lists: sslcrl, the files of sslcrldir, else `~/.postgresql/root.crl` if it is there. */
export function loadRevocationLists(tls: TlsParameters): (string | Buffer)[] {
  const lists: Buffer[] = []
  const file = tls.crl ?? (tls.crlDirectory === undefined ? inHome(tls, 'root.crl') : undefined)
  if (file !== undefined) {
    try {
      lists.push(readFileSync(file))
    } catch {
      // As in libpq: a list that cannot be read revokes nothing.
    }
  }
  if (tls.crlDirectory !== undefined) {
    try {
      // OpenSSL's naming: hash of the issuer, `.r`, number.
      for (const name of readdirSync(tls.crlDirectory))
        if (/^[0-9a-f]{8}\.r[0-9]+$/.test(name)) lists.push(readFileSync(path.join(tls.crlDirectory, name)))
    } catch {
      // Likewise.
    }
  }
  return lists
}

export interface ClientCertificate {
  readonly certificate: Buffer
  readonly key: Buffer
  readonly keyFile: string
}

/**
 * The client's certificate and key, from sslcert and sslkey or `~/.postgresql/postgresql.{crt,key}`.
 *
 * @returns null when there is none or sslcertmode=disable
 * @throws ConnectionFailedError when the key is missing, or readable by others
 */
export function loadClientCertificate(tls: TlsParameters): ClientCertificate | null {
  if (tls.certMode === 'disable') return null
  const certificateFile = tls.cert ?? inHome(tls, 'postgresql.crt')
  if (certificateFile === undefined) return null
  let certificate: Buffer
  try {
    certificate = readFileSync(certificateFile)
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT' || errnoOf(cause) === 'ENOTDIR') return null
    throw unusable(`could not open certificate file "${certificateFile}": ${errnoText(cause)}`, { cause })
  }
  const keyFile = tls.key ?? inHome(tls, 'postgresql.key')
  if (keyFile?.includes(':') && !keyFile.startsWith('/'))
    throw unusable(`could not load SSL engine "${keyFile.split(':')[0]}": engines are not supported`, {
      hint: 'give the key as a file in sslkey',
    })
  if (keyFile === undefined || !checkKeyFile(keyFile))
    throw unusable(`certificate present, but not private key file "${keyFile ?? ''}"`, {
      hint: 'name the key in sslkey, or set sslcertmode=disable to go without a client certificate',
    })
  try {
    return { certificate, key: readFileSync(keyFile), keyFile }
  } catch (cause) {
    throw unusable(`could not load private key file "${keyFile}": ${errnoText(cause)}`, { cause })
  }
}

/** @returns false when the file does not exist */
function checkKeyFile(keyFile: string): boolean {
  let status: ReturnType<typeof statSync>
  try {
    status = statSync(keyFile)
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return false
    throw unusable(`could not stat private key file "${keyFile}": ${errnoText(cause)}`, { cause })
  }
  if (!status!.isFile()) throw unusable(`private key file "${keyFile}" is not a regular file`)
  // A key owned by root may be readable by a group, which is how system-wide keys are shared.
  const forbidden = status!.uid === 0 ? 0o037 : 0o077
  if (process.platform !== 'win32' && (status!.mode & forbidden) !== 0)
    throw unusable(
      `private key file "${keyFile}" has group or world access; file must have permissions u=rw (0600) or less if owned by the current user, or permissions u=rw,g=r (0640) or less if owned by root`,
      { hint: `chmod 0600 "${keyFile}"` },
    )
  return true
}

function inHome(tls: TlsParameters, name: string): string | undefined {
  return tls.homeDirectory === undefined ? undefined : path.join(tls.homeDirectory, '.postgresql', name)
}
