import { DEFAULT_THRESHOLDS, type Thresholds } from '../status/index.js'
import { CommandLineError } from './command-line-error.js'
import type { OptionValues } from './environment-values.js'
import type { WalshipOption } from './receive-options.js'

/** Options of `walship receive` about telling how it is. */
export const STATUS_SERVER_OPTIONS: readonly WalshipOption[] = [
  {
    name: 'http',
    argument: '[HOST:]PORT',
    section: 'Options',
    description: 'answer with metrics, health and a page of status here',
    variable: 'WALSHIP_HTTP',
    ofProcess: true,
    details:
      'Off by default. A bare port listens on localhost only; an IPv6 address stands in brackets. Paths: `/`, ' +
      '`/metrics`, `/healthz`, `/readyz`, `/status.json`, `/history.json`. See [operations.md](operations.md).',
  },
  {
    name: 'http-token-file',
    argument: 'FILE',
    section: 'Options',
    description: 'ask for the token in this file',
    variable: 'WALSHIP_HTTP_TOKEN_FILE',
    ofProcess: true,
    details:
      'Or put the token into the variable `WALSHIP_HTTP_TOKEN`. It is wanted as a bearer token or as the password of ' +
      'Basic authentication; only `/healthz` and `/readyz` answer without.',
  },
  {
    name: 'http-tls-cert',
    argument: 'FILE',
    section: 'Options',
    description: 'certificate chain (PEM) for --http',
    variable: 'WALSHIP_HTTP_TLS_CERT',
    ofProcess: true,
  },
  {
    name: 'http-tls-key',
    argument: 'FILE',
    section: 'Options',
    description: 'private key (PEM) for --http',
    variable: 'WALSHIP_HTTP_TLS_KEY',
    ofProcess: true,
  },
  {
    name: 'ready-written-lag',
    argument: 'SECS',
    section: 'Options',
    description: 'not ready when WAL is not written here for so long',
    variable: 'WALSHIP_READY_WRITTEN_LAG',
    defaultText: String(DEFAULT_THRESHOLDS.writtenLagSeconds),
    details: '0: not looked at.',
  },
  {
    name: 'ready-archived-lag',
    argument: 'SECS',
    section: 'Options',
    description: 'not ready when WAL is not archived for so long',
    variable: 'WALSHIP_READY_ARCHIVED_LAG',
    defaultText: String(DEFAULT_THRESHOLDS.archivedLagSeconds),
    details: '0: not looked at. With `--tail-interval 0` a quiet server takes long to fill a segment.',
  },
  {
    name: 'slot-check',
    argument: 'SECS',
    section: 'Options',
    description: 'seconds between two looks at the slot',
    variable: 'WALSHIP_SLOT_CHECK',
    defaultText: '30',
    details:
      'With --http and --slot, over an ordinary connection to the database of the connection string, else ' +
      '`PGDATABASE`, else `postgres`. A server that refuses it costs nothing but this knowledge. 0: never.',
  },
  {
    name: 'heartbeat-url',
    argument: 'URL',
    section: 'Options',
    description: 'call this once a minute while ready',
    variable: 'WALSHIP_HEARTBEAT_URL',
    ofProcess: true,
    details:
      'For a service that raises the alarm when it hears nothing. Such a URL is a secret: better in the variable.',
  },
]

export interface HttpAddress {
  readonly host: string
  readonly port: number
}

/** What the options say, checked. */
export interface StatusSettings {
  readonly http: HttpAddress | null
  readonly tokenFile: string | undefined
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
  readonly thresholds: Thresholds
  /** 0: never. */
  readonly slotCheckMs: number
  readonly heartbeatUrl: URL | null
}

/** @throws CommandLineError for a value that makes no sense, or options that need one another */
export function statusSettings(values: OptionValues): StatusSettings {
  const address = text(values, 'http')
  const needsHttp = ['http-token-file', 'http-tls-cert', 'http-tls-key'].find((name) => text(values, name))
  if (address === undefined && needsHttp !== undefined)
    throw new CommandLineError(`--${needsHttp} needs an address to be named by --http`, {
      pointsAtHelp: true,
    })
  const certFile = text(values, 'http-tls-cert')
  const keyFile = text(values, 'http-tls-key')
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new CommandLineError('--http-tls-cert and --http-tls-key go together', { pointsAtHelp: true })
  return {
    http: address === undefined ? null : parseAddress(address),
    tokenFile: text(values, 'http-token-file'),
    tls: certFile === undefined || keyFile === undefined ? null : { certFile, keyFile },
    thresholds: {
      writtenLagSeconds: seconds(values, 'ready-written-lag', DEFAULT_THRESHOLDS.writtenLagSeconds),
      archivedLagSeconds: seconds(values, 'ready-archived-lag', DEFAULT_THRESHOLDS.archivedLagSeconds),
    },
    slotCheckMs: seconds(values, 'slot-check', 30) * 1000,
    heartbeatUrl: parseUrl(text(values, 'heartbeat-url')),
  }
}

/** `9187`, `0.0.0.0:9187`, `[::1]:9187`, `host:9187`. */
function parseAddress(value: string): HttpAddress {
  const match = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/]+)):)?(\d{1,5})$/.exec(value)
  const port = Number(match?.[3])
  if (match === null || port > 65_535)
    throw invalid('http', value, 'use a port such as 9187, or an address such as 0.0.0.0:9187')
  return { host: match[1] ?? match[2] ?? '127.0.0.1', port }
}

/** The value is not repeated in the complaint: it may be a secret. */
function parseUrl(value: string | undefined): URL | null {
  if (value === undefined) return null
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return new URL(value)
  throw new CommandLineError('invalid value for option --heartbeat-url', {
    pointsAtHelp: false,
    hint: 'use an address that begins with https:// or http://',
  })
}

function seconds(values: OptionValues, name: string, byDefault: number): number {
  const value = text(values, name)
  if (value === undefined) return byDefault
  if (!/^\d{1,7}(\.\d+)?$/.test(value)) throw invalid(name, value, 'use a number of seconds')
  return Number(value)
}

function text(values: OptionValues, name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}

function invalid(name: string, value: string, hint: string): CommandLineError {
  return new CommandLineError(`invalid value "${value}" for option --${name}`, { pointsAtHelp: false, hint })
}
