import { UsageError } from './errors.js'

/**
 * Quotes a name for a replication command.
 *
 * The replication grammar has no way to write a double quote inside a quoted name, so such
 * a name can only be refused. What else makes a legal slot name is the server's business.
 * PostgreSQL: src/backend/replication/repl_scanner.l
 *
 * @param what names the thing in the error, e.g. `replication slot name`
 * @throws UsageError for an empty name, a double quote or a NUL byte
 */
export function quoteIdentifier(name: string, what: string): string {
  if (name === '') throw new UsageError(`${what} must not be empty`)
  if (name.includes('"') || name.includes('\0')) {
    throw new UsageError(`${what} ${JSON.stringify(name)} contains a character that cannot be quoted`, {
      hint: 'names of replication slots consist of lower case letters, numbers and the underscore',
    })
  }
  return `"${name}"`
}

/**
 * Quotes a value for a replication command: quotes doubled, backslashes as they are.
 *
 * @throws UsageError for a NUL byte
 */
export function quoteLiteral(value: string, what: string): string {
  if (value.includes('\0')) throw new UsageError(`${what} must not contain a NUL byte`)
  return `'${value.replaceAll("'", "''")}'`
}

/** A value that an output plugin understands. */
export type PluginOptionValue = string | number | bigint | boolean | null | undefined

/**
 * Options of an output plugin for START_REPLICATION, with the brackets and a blank in front; nothing
 * for no options. A value of null or undefined is a name alone.
 *
 * @throws UsageError for a name or a value that cannot be quoted
 */
export function pluginOptions(options: Readonly<Record<string, PluginOptionValue>>): string {
  const entries = Object.entries(options)
  if (entries.length === 0) return ''
  const texts = entries.map(([name, value]) => {
    const quoted = quoteIdentifier(name, 'name of a plugin option')
    return value == null ? quoted : `${quoted} ${quoteLiteral(String(value), `plugin option "${name}"`)}`
  })
  return ` (${texts.join(', ')})`
}
