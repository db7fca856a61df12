import { isConnectionKeyword, isSecretKeyword } from './connection-keywords.js'
import { isConnectionUri, parseConnectionUri } from './conninfo-uri.js'
import { UsageError } from './errors.js'

const SPACE = /[ \t\n\v\f\r]/

/** The hint under every complaint about a connection string. */
const FORM_HINT = 'write it as "host=... port=... user=..." or as postgresql://user@host:port/dbname'

/**
 * Reads a connection string in either of libpq's forms: keyword/value pairs or a URI.
 * PostgreSQL chapter 32.1.1.
 *
 * @returns the keywords that were given, in order, values decoded; the last of a repeated keyword wins
 * @throws UsageError with libpq's text
 */
export function parseConnectionString(text: string): Map<string, string> {
  if (text.includes('\0')) throw new UsageError('connection info string must not contain a NUL byte')
  return isConnectionUri(text) ? parseConnectionUri(text) : parseKeywordValues(text)
}

/** Adds one parameter, with libpq's treatment of the old `requiressl` and of unknown names. */
export function storeParameter(parameters: Map<string, string>, keyword: string, value: string): void {
  if (keyword === 'requiressl') {
    parameters.set('sslmode', value.startsWith('1') ? 'require' : 'prefer')
    return
  }
  if (!isConnectionKeyword(keyword)) {
    throw new UsageError(`invalid connection option "${keyword}"`, {
      code: 'PG_CONNINFO',
      hint: 'the names are those of the PostgreSQL manual, section "Parameter Key Words"',
    })
  }
  parameters.set(keyword, value)
}

function parseKeywordValues(text: string): Map<string, string> {
  const parameters = new Map<string, string>()
  let position = skipSpace(text, 0)
  let previousKeyword = ''
  while (position < text.length) {
    const nameStart = position
    while (position < text.length && text[position] !== '=' && !SPACE.test(text[position]!)) position += 1
    const keyword = text.slice(nameStart, position)
    position = skipSpace(text, position)
    if (text[position] !== '=') {
      // An unquoted blank in a password puts the rest of it here: that must not be shown.
      const shown = isSecretKeyword(previousKeyword) ? '***' : keyword
      throw new UsageError(`missing "=" after "${shown}" in connection info string`, {
        code: 'PG_CONNINFO',
        hint: FORM_HINT,
      })
    }
    position = skipSpace(text, position + 1)
    const [value, next] = text[position] === "'" ? quotedValue(text, position + 1) : bareValue(text, position)
    storeParameter(parameters, keyword, value)
    previousKeyword = keyword
    position = skipSpace(text, next)
  }
  return parameters
}

function skipSpace(text: string, position: number): number {
  while (position < text.length && SPACE.test(text[position]!)) position += 1
  return position
}

function bareValue(text: string, start: number): [value: string, next: number] {
  let value = ''
  let position = start
  while (position < text.length && !SPACE.test(text[position]!)) {
    if (text[position] === '\\') position += 1
    value += text[position] ?? ''
    position += 1
  }
  return [value, position]
}

function quotedValue(text: string, start: number): [value: string, next: number] {
  let value = ''
  let position = start
  while (position < text.length) {
    if (text[position] === "'") return [value, position + 1]
    if (text[position] === '\\') position += 1
    value += text[position] ?? ''
    position += 1
  }
  throw new UsageError('unterminated quoted string in connection info string', {
    code: 'PG_CONNINFO',
    hint: "a quote inside a quoted value is written as \\'",
  })
}
