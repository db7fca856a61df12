import { readFileSync, statSync } from 'node:fs'

/** What a line of the password file must match. */
export interface PassfileQuery {
  /** A name, an address, or a socket directory as given; see `passfileHost`. */
  readonly host: string
  readonly port: string
  /** `replication` for a physical replication connection without a database of its own. */
  readonly database: string
  readonly user: string
}

/** Socket directories that count as the default one, and so as `localhost` in the password file. */
const DEFAULT_SOCKET_DIRECTORIES = ['/var/run/postgresql', '/run/postgresql', '/tmp']

/** The host name to look up: the default socket directory is written as `localhost`. */
export function passfileHost(host: string): string {
  return host === '' || DEFAULT_SOCKET_DIRECTORIES.includes(host) ? 'localhost' : host
}

/**
 * Looks a password up in a password file. PostgreSQL chapter 32.16.
 *
 * A file that others may read is not used, and said so: a leaked file must not go on
 * working in silence. A missing or unreadable file counts as empty.
 *
 * @param onWarning gets libpq's text, without its `WARNING: `
 */
export function readPassfile(
  fileName: string,
  query: PassfileQuery,
  onWarning: (text: string) => void,
): string | null {
  let text: string
  try {
    const status = statSync(fileName)
    if (!status.isFile()) {
      onWarning(`password file "${fileName}" is not a plain file`)
      return null
    }
    if ((status.mode & 0o077) !== 0 && process.platform !== 'win32') {
      onWarning(
        `password file "${fileName}" has group or world access; permissions should be u=rw (0600) or less`,
      )
      return null
    }
    text = readFileSync(fileName, 'utf8')
  } catch {
    return null
  }
  return findPassword(text, query)
}

/**
 * The password of the first line that matches, or null.
 *
 * A line is `host:port:database:user:password`; `*` alone in a field matches anything,
 * `\` before a character takes away its meaning, `#` starts a comment line.
 */
export function findPassword(text: string, query: PassfileQuery): string | null {
  const wanted = [query.host, query.port, query.database, query.user]
  for (const rawLine of text.split('\n')) {
    const line = rawLine.replace(/\r+$/, '')
    if (line === '' || line.startsWith('#')) continue
    let rest: string | null = line
    for (const field of wanted) rest = rest === null ? null : matchField(rest, field)
    if (rest !== null) return rest.replace(/\\(.)/gsu, '$1')
  }
  return null
}

/** What follows the first field of the line when that field matches, else null. */
function matchField(line: string, wanted: string): string | null {
  if (line.startsWith('*:')) return line.slice(2)
  let position = 0
  let matched = 0
  while (position < line.length) {
    if (line[position] === ':' && matched === wanted.length) return line.slice(position + 1)
    if (line[position] === '\\') position += 1
    if (matched === wanted.length || line[position] !== wanted[matched]) return null
    position += 1
    matched += 1
  }
  return null
}
