import { isConnectionKeyword, isSecretKeyword } from './connection-keywords.js'
import { UsageError } from './errors.js'

const PREFIX = /^postgres(?:ql)?:\/\//

/** True for text that libpq reads as a URI: it starts with `postgresql://` or `postgres://`. */
export function isConnectionUri(text: string): boolean {
  return PREFIX.test(text)
}

/**
 * Reads a connection URI:
 * `postgresql://[user[:password]@][host][:port][,...][/dbname][?keyword=value&...]`.
 *
 * Several hosts give comma-separated `host` and `port` lists, as in the keyword form. Not
 * the WHATWG parser, which knows neither host lists nor sockets (`%2Fvar%2Frun`) and
 * would lower-case them. PostgreSQL chapter 32.1.1.2.
 *
 * @throws UsageError with libpq's text; a password in the URI is not shown
 */
export function parseConnectionUri(uri: string): Map<string, string> {
  const parameters = new Map<string, string>()
  const failed = (message: string): never => {
    throw new UsageError(message, {
      code: 'PG_CONNINFO',
      hint: 'special characters in names and passwords are written percent-encoded, "@" as %40',
    })
  }
  const store = (keyword: string, text: string) => {
    if (text !== '') parameters.set(keyword, decode(text, keyword, failed))
  }

  const start = PREFIX.exec(uri)![0].length
  let position = start
  const credentialsEnd = /[@/]/.exec(uri.slice(start))
  if (credentialsEnd?.[0] === '@') {
    const end = start + credentialsEnd.index
    const colon = uri.slice(start, end).indexOf(':')
    store('user', colon < 0 ? uri.slice(start, end) : uri.slice(start, start + colon))
    if (colon >= 0) store('password', uri.slice(start + colon + 1, end))
    position = end + 1
  }

  const hosts: string[] = []
  const ports: string[] = []
  for (;;) {
    if (uri[position] === '[') {
      const close = uri.indexOf(']', position)
      if (close < 0)
        failed(
          `end of string reached when looking for matching "]" in IPv6 host address in URI: "${redact(uri)}"`,
        )
      if (close === position + 1) failed(`IPv6 host address may not be empty in URI: "${redact(uri)}"`)
      hosts.push(uri.slice(position + 1, close))
      position = close + 1
      const next = uri[position]
      if (next !== undefined && !':/?,'.includes(next))
        failed(
          `unexpected character "${next}" at position ${position + 1} in URI (expected ":" or "/"): "${redact(uri)}"`,
        )
    } else {
      const end = findAny(uri, position, ':/?,')
      hosts.push(uri.slice(position, end))
      position = end
    }
    if (uri[position] === ':') {
      const end = findAny(uri, position + 1, '/?,')
      ports.push(uri.slice(position + 1, end))
      position = end
    } else ports.push('')
    if (uri[position] !== ',') break
    position += 1
  }
  // A password with a "/" or "?" in it that is not encoded ends up in the port and behind it: not to be shown.
  const isTorn = credentialsEnd?.[0] !== '@' && uri.includes('@')
  if (isTorn && ports.some((port) => !/^[0-9]*$/.test(port)))
    failed('invalid port number in URI: "***", which may be the beginning of a password')
  store('host', hosts.join(','))
  store('port', ports.join(','))

  if (uri[position] === '/') {
    const end = findAny(uri, position + 1, '?')
    store('dbname', uri.slice(position + 1, end))
    position = end
  }
  if (uri[position] === '?') parseQuery(uri.slice(position + 1), parameters, failed)
  return parameters
}

function parseQuery(
  query: string,
  parameters: Map<string, string>,
  failed: (message: string) => never,
): void {
  const pairs = query.split('&')
  // A trailing "&" ends the list, as it does in libpq.
  if (pairs.at(-1) === '') pairs.pop()
  for (const pair of pairs) {
    const [rawKeyword, rawValue, extra] = pair.split('=') as [string, string?, string?]
    if (extra !== undefined) failed(`extra key/value separator "=" in URI query parameter: "${rawKeyword}"`)
    if (rawValue === undefined)
      failed(`missing key/value separator "=" in URI query parameter: "${rawKeyword}"`)
    let keyword = decode(rawKeyword, rawKeyword, failed)
    let value = decode(rawValue!, keyword, failed)
    // The JDBC driver's spelling.
    if (keyword === 'ssl' && value === 'true') {
      keyword = 'sslmode'
      value = 'require'
    }
    if (keyword === 'requiressl') {
      keyword = 'sslmode'
      value = value.startsWith('1') ? 'require' : 'prefer'
    }
    if (!isConnectionKeyword(keyword)) failed(`invalid URI query parameter: "${keyword}"`)
    parameters.set(keyword, value)
  }
}

/** The first of `characters` at or after `start`, or the end of the text. */
function findAny(text: string, start: number, characters: string): number {
  let position = start
  while (position < text.length && !characters.includes(text[position]!)) position += 1
  return position
}

/** Percent-decoding to bytes, read as UTF-8. Blanks around the text are dropped, blanks inside refused. */
function decode(text: string, keyword: string, failed: (message: string) => never): string {
  const trimmed = text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '')
  const shown = isSecretKeyword(keyword) ? '***' : text
  if (/[ \t\n\v\f\r]/.test(trimmed))
    failed(`unexpected spaces found in "${shown}", use percent-encoded spaces (%20) instead`)
  const parts: Buffer[] = []
  for (let position = 0; position < trimmed.length; ) {
    if (trimmed[position] !== '%') {
      const end = findAny(trimmed, position, '%')
      parts.push(Buffer.from(trimmed.slice(position, end), 'utf8'))
      position = end
      continue
    }
    const digits = trimmed.slice(position + 1, position + 3)
    if (!/^[0-9A-Fa-f]{2}$/.test(digits)) failed(`invalid percent-encoded token: "${shown}"`)
    if (digits === '00') failed(`forbidden value %00 in percent-encoded value: "${shown}"`)
    parts.push(Buffer.of(Number.parseInt(digits, 16)))
    position += 3
  }
  return Buffer.concat(parts).toString('utf8')
}

/** The URI with everything that may be a password replaced, for error messages. */
function redact(uri: string): string {
  return uri
    .replace(/^(postgres(?:ql)?:\/\/[^:/?@]*:)[^/?]*@/, '$1***@')
    .replace(/([?&](?:[a-z_]*password|[a-z_]*secret|scram_[a-z]*_key)=)[^&]*/g, '$1***')
}
