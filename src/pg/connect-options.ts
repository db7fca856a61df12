import type { ServerFields } from './errors.js'

/**
 * How to reach a server, as a caller of the library says it. All names have libpq's
 * meaning (PostgreSQL chapter 32.1.2).
 *
 * Where a thing is said more than once, the order is: the fields below, `keywords`,
 * `dsn`, the service file, the environment, libpq's defaults. An empty text counts as
 * not said.
 */
export interface ConnectOptions {
  /** A connection string: `host=... user=...` or `postgresql://...`. */
  readonly dsn?: string
  /** Name, address or socket directory; several separated by commas. */
  readonly host?: string
  readonly port?: number | string
  readonly user?: string
  /**
   * The password, or who to ask. A function is called at most once for each `openSession`, and only
   * when a server wants a password and no other source has one.
   */
  readonly password?: string | (() => string | Promise<string>)
  readonly database?: string
  readonly applicationName?: string
  /** Used when no application name is given anywhere. */
  readonly fallbackApplicationName?: string
  /** Server settings for the session, in the form `-c name=value`. */
  readonly options?: string
  /** Limit for each address, from the first packet to a ready session, in milliseconds. 0 means none. */
  readonly connectTimeoutMs?: number
  readonly passfile?: string
  readonly service?: string
  readonly targetSessionAttrs?: string
  /** Any other keyword of libpq, such as `sslmode` or `keepalives_idle`. */
  readonly keywords?: Readonly<Record<string, string>>
  /** Where PGHOST and its like, and HOME, are read from. Default: nowhere. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
  readonly onNotice?: (notice: ServerFields) => void
  /** Gets things a user should know that stop nothing, without a `WARNING: ` before them. */
  readonly onWarning?: (text: string) => void
}
