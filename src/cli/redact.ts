/**
 * Passwords out of texts that go to logs and process lists. They can get into a text through
 * a connection string that is quoted whole, for example in a complaint about its syntax.
 */
export const MASK = '********'

/**
 * `postgresql://user:secret@host`, and any other URL: from the user's colon to the last @, because who forgets to
 * encode a password has a `/`, a `?` or an `@` in it.
 */
const URI_PASSWORD = /\b([a-z][a-z0-9+.-]*:\/\/[^\s:@/?#]*):\S*@/gi

/** `password = 'it''s'`, `sslpassword=x`, also as a URI parameter. */
const KEYWORD_PASSWORD =
  /\b((?:(?:ssl)?password|scram_(?:client|server)_key|oauth_client_secret)\s*=\s*)(?:'(?:\\.|[^'\\])*'?|(?:\\.|[^\s&\\])+)/gi

/** The text with every password of a connection string or URI in it masked. */
export function redactSecrets(text: string): string {
  return text.replace(URI_PASSWORD, `$1:${MASK}@`).replace(KEYWORD_PASSWORD, `$1${MASK}`)
}

/** The same for all texts inside of a value that is to be logged. */
export function redactSecretsDeep(value: unknown): unknown {
  if (typeof value === 'string') return redactSecrets(value)
  if (Array.isArray(value)) return value.map(redactSecretsDeep)
  if (value instanceof Error)
    return { type: value.name, ...fieldsOf({ message: value.message, stack: value.stack }) }
  return isPlainObject(value) ? fieldsOf(value) : value
}

function fieldsOf(object: object): object {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, redactSecretsDeep(value)]))
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
