import { UsageError } from './errors.js'

/** Checks of single connection parameters, with the texts of libpq (fe-connect.c). */

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

export const CHANNEL_BINDING_MODES = ['disable', 'prefer', 'require'] as const
export type ChannelBindingMode = (typeof CHANNEL_BINDING_MODES)[number]

export const SSL_CERT_MODES = ['disable', 'allow', 'require'] as const
export type SslCertMode = (typeof SSL_CERT_MODES)[number]

export const TARGET_SESSION_ATTRS = [
  'any',
  'read-write',
  'read-only',
  'primary',
  'standby',
  'prefer-standby',
] as const
export type TargetSessionAttrs = (typeof TARGET_SESSION_ATTRS)[number]

const TLS_VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const
export type TlsVersion = (typeof TLS_VERSIONS)[number]

/** A parameter that takes one of a few words. */
export function checkWord<Word extends string>(keyword: string, value: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === value)
  if (word === undefined)
    throw new UsageError(`invalid ${keyword} value: "${value}"`, {
      code: 'PG_CONNINFO',
      hint: `${keyword} takes ${words.join(', ')}`,
    })
  return word
}

/** A parameter that takes a whole number; blanks around it are fine. */
export function checkInteger(keyword: string, value: string): number {
  const number = /^[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*$/.test(value) ? Number(value) : Number.NaN
  if (!Number.isInteger(number) || number < -0x8000_0000 || number > 0x7fff_ffff)
    throw new UsageError(`invalid integer value "${value}" for connection option "${keyword}"`, {
      code: 'PG_CONNINFO',
    })
  return number
}

/** One port of the list. */
export function checkPort(value: string): number {
  if (value === '') return 5432
  const port = checkInteger('port', value)
  if (port < 1 || port > 65535)
    throw new UsageError(`invalid port number: "${value}"`, {
      code: 'PG_CONNINFO',
      hint: 'a port is a number from 1 to 65535',
    })
  return port
}

/** Bounds for the TLS version; empty text means no bound of ours. */
export function checkTlsVersions(
  minimum: string,
  maximum: string,
): { minimum: TlsVersion | undefined; maximum: TlsVersion | undefined } {
  const checked = { minimum: tlsVersion('min', minimum), maximum: tlsVersion('max', maximum) }
  const low = checked.minimum === undefined ? 0 : TLS_VERSIONS.indexOf(checked.minimum)
  const high = checked.maximum === undefined ? TLS_VERSIONS.length : TLS_VERSIONS.indexOf(checked.maximum)
  if (low > high) throw new UsageError('invalid SSL protocol version range', { code: 'PG_CONNINFO' })
  return checked
}

function tlsVersion(bound: 'min' | 'max', value: string): TlsVersion | undefined {
  if (value === '') return undefined
  const version = TLS_VERSIONS.find((candidate) => candidate.toLowerCase() === value.toLowerCase())
  if (version === undefined)
    throw new UsageError(`invalid "ssl_${bound}_protocol_version" value: "${value}"`, {
      code: 'PG_CONNINFO',
      hint: `it takes ${TLS_VERSIONS.join(', ')}`,
    })
  return version
}

/**
 * The bounds for the wire protocol. We speak 3.0, as libpq does by default; nothing in
 * replication needs 3.2.
 */
export function checkProtocolVersions(minimum: string, maximum: string): void {
  const words = ['3.0', '3.2', 'latest'] as const
  if (maximum !== '') checkWord('max_protocol_version', maximum, words)
  if (minimum === '') return
  if (checkWord('min_protocol_version', minimum, words) !== '3.0')
    throw new UsageError(`min_protocol_version value "${minimum}" is not supported`, {
      code: 'PG_CONNINFO',
      hint: 'sessions use protocol version 3.0, which every server speaks',
    })
}
