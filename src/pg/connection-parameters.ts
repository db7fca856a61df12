import path from 'node:path'
import type { ConnectOptions } from './connect-options.js'
import { SESSION_VARIABLES } from './connection-keywords.js'
import { UsageError } from './errors.js'
import { type HostEntry, makeHostList } from './host-list.js'
import {
  CHANNEL_BINDING_MODES,
  type ChannelBindingMode,
  checkInteger,
  checkProtocolVersions,
  checkTlsVersions,
  checkWord,
  SSL_CERT_MODES,
  SSL_MODES,
  type SslCertMode,
  type SslMode,
  TARGET_SESSION_ATTRS,
  type TargetSessionAttrs,
  type TlsVersion,
} from './parameter-checks.js'
import { gatherParameters } from './parameter-sources.js'
import { RequireAuth } from './require-auth.js'
import { decodeBase64 } from './scram.js'

/** What the `replication` key of the start-up packet says: physical, logical, or an ordinary session. */
export type ReplicationMode = 'true' | 'database' | null

export interface TlsParameters {
  readonly mode: SslMode
  /** TLS from the first byte, without asking. */
  readonly direct: boolean
  readonly rootCert: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly keyPassword: string | undefined
  readonly certMode: SslCertMode
  readonly crl: string | undefined
  readonly crlDirectory: string | undefined
  readonly sendServerName: boolean
  readonly minVersion: TlsVersion | undefined
  readonly maxVersion: TlsVersion | undefined
  readonly homeDirectory: string | undefined
}

/** Everything needed to connect, checked. */
export interface ConnectionParameters {
  readonly hosts: readonly HostEntry[]
  readonly shuffleHosts: boolean
  readonly user: string
  readonly database: string
  readonly replication: ReplicationMode
  /** From anywhere but the password file. */
  readonly password: string | undefined
  readonly passfile: string | undefined
  readonly scramClientKey: Buffer | undefined
  readonly scramServerKey: Buffer | undefined
  /** The start-up packet, in order. */
  readonly startup: Readonly<Record<string, string>>
  readonly tls: TlsParameters
  readonly channelBinding: ChannelBindingMode
  readonly requireAuth: RequireAuth
  readonly targetSessionAttrs: TargetSessionAttrs
  /** For each address, in milliseconds; 0 means no limit. */
  readonly connectTimeoutMs: number
  /** Delay before the first TCP keepalive probe, in milliseconds; 0 = the system's; null = no keepalives. */
  readonly keepaliveIdleMs: number | null
  /** Parameters that were given and cannot be honoured, but harm nobody. */
  readonly ignored: readonly string[]
}

/**
 * Gathers and checks the parameters of a connection, before anything is sent.
 *
 * @throws UsageError with libpq's text
 */
export function connectionParameters(
  options: ConnectOptions,
  replication: ReplicationMode,
): ConnectionParameters {
  const { values, explicit, homeDirectory } = gatherParameters(options)
  const get = (keyword: string): string => values.get(keyword) ?? ''
  const optional = (keyword: string): string | undefined => values.get(keyword) || undefined

  const hosts = makeHostList(values)
  const requireAuth = RequireAuth.parse(get('require_auth'))
  const channelBinding = checkWord('channel_binding', get('channel_binding'), CHANNEL_BINDING_MODES)
  const tls = tlsParameters(values, homeDirectory)
  const gssencmode = checkWord('gssencmode', get('gssencmode'), ['disable', 'prefer', 'require'])
  if (gssencmode === 'require')
    throw new UsageError('gssencmode value "require" invalid when GSSAPI support is not compiled in', {
      code: 'PG_CONNINFO',
      hint: 'GSSAPI encryption is not available; use sslmode for an encrypted connection',
    })
  const targetSessionAttrs = checkWord(
    'target_session_attrs',
    get('target_session_attrs'),
    TARGET_SESSION_ATTRS,
  )
  const scramClientKey = scramKey('client', optional('scram_client_key'))
  const scramServerKey = scramKey('server', optional('scram_server_key'))
  const loadBalance = checkWord('load_balance_hosts', get('load_balance_hosts'), ['disable', 'random'])
  checkProtocolVersions(get('min_protocol_version'), get('max_protocol_version'))
  if (get('requirepeer') !== '' && hosts.some((entry) => entry.kind === 'socket'))
    throw new UsageError('requirepeer parameter is not supported on this platform', {
      code: 'PG_CONNINFO',
      hint: 'Node.js cannot tell who is behind a Unix socket; protect its directory instead',
    })

  const user = get('user')
  const database =
    // A physical walsender belongs to no database; "replication" is what the password file is searched for.
    replication === 'true' ? (explicit.get('dbname') ?? 'replication') : get('dbname') || user
  return {
    hosts,
    shuffleHosts: loadBalance === 'random',
    user,
    database,
    replication,
    password: optional('password'),
    passfile: optional('passfile') ?? (homeDirectory && path.join(homeDirectory, '.pgpass')),
    scramClientKey,
    scramServerKey,
    startup: startupKeys(values, options.environment ?? {}, user, database, replication),
    tls,
    channelBinding,
    requireAuth,
    targetSessionAttrs,
    connectTimeoutMs: connectTimeoutMs(options, optional('connect_timeout')),
    keepaliveIdleMs: keepaliveIdleMs(values),
    ignored: ['keepalives_interval', 'keepalives_count', 'tcp_user_timeout', 'sslkeylogfile'].filter(
      (keyword) => explicit.get(keyword) !== undefined,
    ),
  }
}

function tlsParameters(
  values: ReadonlyMap<string, string>,
  homeDirectory: string | undefined,
): TlsParameters {
  const get = (keyword: string): string => values.get(keyword) ?? ''
  const optional = (keyword: string): string | undefined => values.get(keyword) || undefined
  const mode = checkWord('sslmode', get('sslmode'), SSL_MODES)
  const negotiation = checkWord('sslnegotiation', get('sslnegotiation'), ['postgres', 'direct'])
  const weak = mode === 'disable' || mode === 'allow' || mode === 'prefer'
  if (negotiation === 'direct' && weak)
    throw new UsageError(
      `weak sslmode "${mode}" may not be used with sslnegotiation=direct (use "require", "verify-ca", or "verify-full")`,
      { code: 'PG_CONNINFO' },
    )
  if (get('sslrootcert') === 'system' && mode !== 'verify-full')
    throw new UsageError(
      `weak sslmode "${mode}" may not be used with sslrootcert=system (use "verify-full")`,
      { code: 'PG_CONNINFO' },
    )
  const versions = checkTlsVersions(get('ssl_min_protocol_version'), get('ssl_max_protocol_version'))
  return {
    mode,
    direct: negotiation === 'direct',
    rootCert: optional('sslrootcert'),
    cert: optional('sslcert'),
    key: optional('sslkey'),
    keyPassword: optional('sslpassword'),
    certMode: checkWord('sslcertmode', get('sslcertmode'), SSL_CERT_MODES),
    crl: optional('sslcrl'),
    crlDirectory: optional('sslcrldir'),
    sendServerName: get('sslsni').startsWith('1'),
    minVersion: versions.minimum,
    maxVersion: versions.maximum,
    homeDirectory,
  }
}

/**
 * The start-up packet. `client_encoding` is not taken from the parameters: the session
 * always uses UTF8, because messages are read as that.
 */
function startupKeys(
  values: ReadonlyMap<string, string>,
  environment: Readonly<Record<string, string | undefined>>,
  user: string,
  database: string,
  replication: ReplicationMode,
): Record<string, string> {
  const keys: Record<string, string> = { user, database }
  if (replication !== null) keys.replication = replication
  const sessionOptions = values.get('options')
  if (sessionOptions) keys.options = sessionOptions
  const applicationName = values.get('application_name') ?? values.get('fallback_application_name')
  if (applicationName) keys.application_name = applicationName
  for (const { variable, setting } of SESSION_VARIABLES) {
    const value = environment[variable]
    if (value !== undefined && value.toLowerCase() !== 'default' && !value.includes('\0'))
      keys[setting] = value
  }
  return keys
}

function connectTimeoutMs(options: ConnectOptions, text: string | undefined): number {
  if (options.connectTimeoutMs !== undefined) {
    if (!Number.isFinite(options.connectTimeoutMs) || options.connectTimeoutMs < 0)
      throw new UsageError(`connectTimeoutMs must be a number from 0 up, not ${options.connectTimeoutMs}`)
    return options.connectTimeoutMs
  }
  return text === undefined ? 0 : Math.max(0, checkInteger('connect_timeout', text)) * 1000
}

/** Node sets its own probe interval (1 s) and count (10); only the idle time can be chosen. */
function keepaliveIdleMs(values: ReadonlyMap<string, string>): number | null {
  const keepalives = values.get('keepalives')
  if (keepalives && checkInteger('keepalives', keepalives) === 0) return null
  const idle = values.get('keepalives_idle')
  return idle ? Math.max(0, checkInteger('keepalives_idle', idle)) * 1000 : 0
}

function scramKey(side: 'client' | 'server', text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined
  const key = decodeBase64(text)
  if (key === null) throw new UsageError(`invalid SCRAM ${side} key`, { code: 'PG_CONNINFO' })
  if (key.length !== 32)
    throw new UsageError(`invalid SCRAM ${side} key length: ${key.length}`, { code: 'PG_CONNINFO' })
  return key
}
