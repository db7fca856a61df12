import type { Transport } from './transport.js'
import type { Wire } from './wire.js'

/** A session that is authenticated and ready for commands. */
export interface Session {
  readonly transport: Transport
  readonly wire: Wire
  /** What the server reported, such as `server_version` and `in_hot_standby`. */
  readonly parameters: Map<string, string>
  /** As libpq's PQserverVersion: 180004 for 18.4. */
  readonly serverVersion: number
  readonly backendPid: number
  /** For a cancel request: 4 bytes, more with protocol 3.2. */
  readonly backendKey: Buffer
  /**
   * Asks the server, over a connection of its own that is encrypted as this one is, to cancel what the
   * session is at. Resolves when the server has taken the request; what became of it shows in the session.
   */
  cancel(signal: AbortSignal): Promise<void>
  /** The host list's entry that was reached: a name, an address or a socket directory. */
  readonly host: string
  readonly port: string
  readonly user: string
  readonly database: string
  /** The password the server asked for, to be given again at a reconnect; undefined when it asked for none. */
  readonly passwordUsed: string | undefined
}

/**
 * A version text as a number: `18.4 (Debian 18.4-1)` is 180004, `9.6.24` is 90624, `19devel` is 190000.
 *
 * @returns 0 when it cannot be read
 */
export function parseServerVersion(text: string): number {
  const match = /^(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(text)
  if (match === null) return 0
  const [major, second, third] = match.slice(1).map((part) => Number(part ?? 0)) as [number, number, number]
  return major >= 10 ? major * 10000 + second : (major * 100 + second) * 100 + third
}
