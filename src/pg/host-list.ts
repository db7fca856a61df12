import { existsSync } from 'node:fs'
import { UsageError } from './errors.js'
import { checkPort } from './parameter-checks.js'

/** One entry of the host list. */
export interface HostEntry {
  /** `name` needs a look-up; `address` is a numeric hostaddr; `socket` is a directory of Unix sockets. */
  readonly kind: 'name' | 'address' | 'socket'
  /** As given in `host`, or the default socket directory; empty when only a hostaddr was given. */
  readonly host: string
  /** Numeric address, for `address`. */
  readonly hostaddr: string
  readonly port: number
  /** The socket's file name, for `socket`; `@` in front means Linux's abstract name space. */
  readonly socketPath: string
}

/** Debian's default, then the one of PostgreSQL's own builds. */
const SOCKET_DIRECTORIES = ['/var/run/postgresql', '/tmp']

/** What fits into a socket address on Linux, without the final NUL. */
const MAX_SOCKET_PATH_BYTES = 107

/**
 * Combines `host`, `hostaddr` and `port` into the list of places to try.
 *
 * Each may be a comma-separated list; the lists must be of one length, except that a
 * single port serves all hosts. PostgreSQL chapter 32.1.1.3.
 *
 * @param exists tells whether a socket file is there; replaced by tests
 * @throws UsageError with libpq's text
 */
export function makeHostList(
  parameters: ReadonlyMap<string, string>,
  exists: (fileName: string) => boolean = existsSync,
): HostEntry[] {
  const hostText = parameters.get('host') ?? ''
  const hostaddrText = parameters.get('hostaddr') ?? ''
  const portText = parameters.get('port') ?? ''
  const hosts = hostText === '' ? [] : hostText.split(',')
  const hostaddrs = hostaddrText === '' ? [] : hostaddrText.split(',')
  if (hosts.length > 0 && hostaddrs.length > 0 && hosts.length !== hostaddrs.length)
    throw new UsageError(
      `could not match ${hosts.length} host names to ${hostaddrs.length} hostaddr values`,
      { code: 'PG_CONNINFO', hint: 'give as many entries in hostaddr as in host; an entry may be empty' },
    )
  const count = Math.max(hosts.length, hostaddrs.length, 1)
  const ports = portText === '' ? [''] : portText.split(',')
  if (ports.length !== 1 && ports.length !== count)
    throw new UsageError(`could not match ${ports.length} port numbers to ${count} hosts`, {
      code: 'PG_CONNINFO',
      hint: 'give one port for all hosts, or one for each',
    })
  return Array.from({ length: count }, (_, index) =>
    makeEntry(
      hosts[index]?.trim() ?? '',
      hostaddrs[index]?.trim() ?? '',
      checkPort(ports.length === 1 ? ports[0]! : ports[index]!),
      exists,
    ),
  )
}

function makeEntry(
  host: string,
  hostaddr: string,
  port: number,
  exists: (fileName: string) => boolean,
): HostEntry {
  if (hostaddr !== '') return { kind: 'address', host, hostaddr, port, socketPath: '' }
  if (host !== '' && !isSocketDirectory(host)) return { kind: 'name', host, hostaddr, port, socketPath: '' }
  if (host === '' && process.platform === 'win32')
    return { kind: 'name', host: 'localhost', hostaddr, port, socketPath: '' }
  const directory = host === '' ? defaultSocketDirectory(port, exists) : host
  const socketPath = socketFileName(directory, port)
  const byteCount = Buffer.byteLength(socketPath)
  if (byteCount > MAX_SOCKET_PATH_BYTES)
    throw new UsageError(
      `Unix-domain socket path "${socketPath}" is too long (maximum ${MAX_SOCKET_PATH_BYTES} bytes)`,
      { code: 'PG_CONNINFO', hint: 'use a shorter directory in unix_socket_directories, or a symbolic link' },
    )
  return { kind: 'socket', host: directory, hostaddr, port, socketPath }
}

/** libpq's rule: an absolute path, or `@` for the abstract name space. */
function isSocketDirectory(host: string): boolean {
  return host.startsWith('/') || host.startsWith('@')
}

function socketFileName(directory: string, port: number): string {
  return `${directory}/.s.PGSQL.${port}`
}

/**
 * libpq has one directory compiled in; we do not know which one the server's packager
 * chose, so we look. If no socket is there the error names a directory that exists.
 */
function defaultSocketDirectory(port: number, exists: (fileName: string) => boolean): string {
  return (
    SOCKET_DIRECTORIES.find((directory) => exists(socketFileName(directory, port))) ??
    SOCKET_DIRECTORIES.find((directory) => exists(directory)) ??
    '/tmp'
  )
}
