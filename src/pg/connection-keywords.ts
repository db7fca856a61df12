/**
 * The connection parameters libpq knows, up to PostgreSQL 18.
 *
 * One table, because everything else hangs on it: which keywords a connection string may
 * name, which environment variable stands behind each, and what holds when nobody says.
 * PostgreSQL chapters 32.1.2 (parameter key words) and 32.15 (environment variables).
 */
export interface ConnectionKeyword {
  readonly name: string
  /** The environment variable that supplies it. */
  readonly variable?: string
  /** What holds when neither a connection string nor a service nor the environment says anything. */
  readonly fallback?: string
  /** Never shown in messages. */
  readonly secret?: true
}

export const CONNECTION_KEYWORDS: readonly ConnectionKeyword[] = [
  { name: 'service', variable: 'PGSERVICE' },
  { name: 'servicefile', variable: 'PGSERVICEFILE' },
  { name: 'user', variable: 'PGUSER' },
  { name: 'password', variable: 'PGPASSWORD', secret: true },
  { name: 'passfile', variable: 'PGPASSFILE' },
  { name: 'channel_binding', variable: 'PGCHANNELBINDING', fallback: 'prefer' },
  { name: 'connect_timeout', variable: 'PGCONNECT_TIMEOUT' },
  { name: 'dbname', variable: 'PGDATABASE' },
  { name: 'host', variable: 'PGHOST' },
  { name: 'hostaddr', variable: 'PGHOSTADDR' },
  { name: 'port', variable: 'PGPORT', fallback: '5432' },
  { name: 'client_encoding', variable: 'PGCLIENTENCODING' },
  { name: 'options', variable: 'PGOPTIONS', fallback: '' },
  { name: 'application_name', variable: 'PGAPPNAME' },
  { name: 'fallback_application_name' },
  { name: 'keepalives' },
  { name: 'keepalives_idle' },
  { name: 'keepalives_interval' },
  { name: 'keepalives_count' },
  { name: 'tcp_user_timeout' },
  { name: 'sslmode', variable: 'PGSSLMODE', fallback: 'prefer' },
  { name: 'sslnegotiation', variable: 'PGSSLNEGOTIATION', fallback: 'postgres' },
  { name: 'sslcompression', variable: 'PGSSLCOMPRESSION', fallback: '0' },
  { name: 'sslcert', variable: 'PGSSLCERT' },
  { name: 'sslkey', variable: 'PGSSLKEY' },
  { name: 'sslcertmode', variable: 'PGSSLCERTMODE', fallback: 'allow' },
  { name: 'sslpassword', secret: true },
  { name: 'sslrootcert', variable: 'PGSSLROOTCERT' },
  { name: 'sslcrl', variable: 'PGSSLCRL' },
  { name: 'sslcrldir', variable: 'PGSSLCRLDIR' },
  { name: 'sslsni', variable: 'PGSSLSNI', fallback: '1' },
  { name: 'sslkeylogfile' },
  { name: 'requirepeer', variable: 'PGREQUIREPEER' },
  { name: 'require_auth', variable: 'PGREQUIREAUTH' },
  { name: 'min_protocol_version', variable: 'PGMINPROTOCOLVERSION' },
  { name: 'max_protocol_version', variable: 'PGMAXPROTOCOLVERSION' },
  { name: 'ssl_min_protocol_version', variable: 'PGSSLMINPROTOCOLVERSION', fallback: 'TLSv1.2' },
  { name: 'ssl_max_protocol_version', variable: 'PGSSLMAXPROTOCOLVERSION' },
  // libpq's own fallback is "prefer" where it was built with GSSAPI; without GSSAPI it is "disable".
  { name: 'gssencmode', variable: 'PGGSSENCMODE', fallback: 'disable' },
  { name: 'krbsrvname', variable: 'PGKRBSRVNAME', fallback: 'postgres' },
  { name: 'gsslib', variable: 'PGGSSLIB' },
  { name: 'gssdelegation', variable: 'PGGSSDELEGATION', fallback: '0' },
  { name: 'replication' },
  { name: 'target_session_attrs', variable: 'PGTARGETSESSIONATTRS', fallback: 'any' },
  { name: 'load_balance_hosts', variable: 'PGLOADBALANCEHOSTS', fallback: 'disable' },
  { name: 'scram_client_key', secret: true },
  { name: 'scram_server_key', secret: true },
  { name: 'oauth_issuer' },
  { name: 'oauth_client_id' },
  { name: 'oauth_client_secret', secret: true },
  { name: 'oauth_scope' },
]

const BY_NAME = new Map(CONNECTION_KEYWORDS.map((keyword) => [keyword.name, keyword]))

/** True for a keyword that libpq accepts in a connection string. */
export function isConnectionKeyword(name: string): boolean {
  return BY_NAME.has(name)
}

/** True for a keyword whose value must not be shown. */
export function isSecretKeyword(name: string): boolean {
  return BY_NAME.get(name)?.secret === true
}

/** Environment variables that become server settings of the session rather than connection parameters. */
export const SESSION_VARIABLES: readonly { readonly variable: string; readonly setting: string }[] = [
  { variable: 'PGDATESTYLE', setting: 'datestyle' },
  { variable: 'PGTZ', setting: 'timezone' },
  { variable: 'PGGEQO', setting: 'geqo' },
]
