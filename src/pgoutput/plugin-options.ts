import { WalshipError } from '../base/index.js'

export interface PgoutputOptions {
  /** Names of publications, as they are: not quoted, not folded to lower case. */
  readonly publications: readonly string[]
  /** Values in the binary form of their type, as Buffers. Server 14. */
  readonly binary?: boolean
  /** Messages of pg_logical_emit_message too. Server 14. */
  readonly messages?: boolean
  /**
   * Large transactions in parts while they are still running: `on` from server 14; `parallel`, which
   * tells more of aborts, from server 16.
   */
  readonly streaming?: 'off' | 'on' | 'parallel'
  /**
   * Transactions when they are prepared. A slot that was made with two_phase sends them in any case. Server 15.
   */
  readonly twoPhase?: boolean
  /** `none`: only what was made on the server itself. Server 16. */
  readonly origin?: 'any' | 'none'
}

/** Since which server major there is which version of pgoutput's protocol. */
const VERSIONS: readonly (readonly [major: number, protocolVersion: number])[] = [
  [16, 4],
  [15, 3],
  [14, 2],
  [10, 1],
]

/**
 * The options of START_REPLICATION for pgoutput: the newest protocol version that the server
 * has, and only options that it knows.
 *
 * @param serverVersion as a connection tells it: 180004 for 18.4
 * @throws WalshipError `PGOUTPUT_UNSUPPORTED` for what the server is too old for
 */
export function pgoutputOptions(options: PgoutputOptions, serverVersion: number): Record<string, string> {
  const major = Math.floor(serverVersion / 10_000)
  const protocolVersion = VERSIONS.find(([since]) => major >= since)?.[1] ?? 1
  const need = (since: number, what: string) => {
    if (major >= since) return
    throw new WalshipError(`could not set up pgoutput: ${what} needs server ${since}, this is ${major}`, {
      code: 'PGOUTPUT_UNSUPPORTED',
      hint: 'leave the option out',
    })
  }
  const words: Record<string, string> = {
    proto_version: String(protocolVersion),
    publication_names: options.publications.map(quoted).join(','),
  }
  if (options.publications.length === 0) {
    throw new WalshipError('could not set up pgoutput: no publication', {
      code: 'PGOUTPUT_UNSUPPORTED',
      hint: 'name one: CREATE PUBLICATION name FOR ALL TABLES makes it',
    })
  }
  if (options.binary) {
    need(14, 'binary')
    words.binary = 'true'
  }
  if (options.messages) {
    need(14, 'messages')
    words.messages = 'true'
  }
  if (options.streaming !== undefined && options.streaming !== 'off') {
    need(options.streaming === 'on' ? 14 : 16, `streaming = ${options.streaming}`)
    words.streaming = options.streaming
  }
  if (options.twoPhase) {
    need(15, 'two_phase')
    words.two_phase = 'true'
  }
  if (options.origin !== undefined) {
    need(16, 'origin')
    words.origin = options.origin
  }
  return words
}

/** The list is read like a list of SQL names: without quotes they would be folded to lower case. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
