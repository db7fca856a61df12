import type { LsnLike } from '../wal/index.js'
import { UsageError } from './errors.js'
import {
  type StreamOptions,
  type StreamPlan,
  senderTimeoutMs,
  startPosition,
  statusIntervalMs,
} from './open-stream.js'
import { type PluginOptionValue, quoteLiteral } from './quote.js'
import { startLogicalCommand } from './replication-commands.js'
import type { MessageText } from './replication-message.js'
import { textDecoding } from './text-decoding.js'
import type { WalsenderConnection } from './walsender-connection.js'

export interface StartLogicalOptions extends StreamOptions {
  readonly slotName: string
  /**
   * Absent or 0: where the slot is. The server never goes back before the slot's own position, and it
   * skips what committed before this one.
   */
  readonly startLsn?: LsnLike
  /**
   * For the output plugin. Booleans are sent as `true` and `false`; null and undefined as a name
   * without a value.
   */
  readonly options?: Readonly<Record<string, PluginOptionValue>>
  /**
   * `payload` is text. `true` takes the encoding that the plugin writes in: UTF-8 for pgoutput, the
   * database's for all others. A text names the encoding.
   */
  readonly decode?: boolean | string
}

/** @throws UsageError for what cannot be sent */
export async function logicalPlan(
  connection: WalsenderConnection,
  options: StartLogicalOptions,
): Promise<StreamPlan> {
  if (!options.slotName) throw new UsageError('slot name is required for logical replication')
  const startLsn = startPosition(options.startLsn)
  const command = startLogicalCommand({ slotName: options.slotName, startLsn, options: options.options })
  return {
    kind: 'logical',
    command,
    startLsn,
    statusIntervalMs: statusIntervalMs(options.statusInterval, 1),
    senderTimeoutMs: await senderTimeoutMs(connection, options.signal),
    text: await messageText(connection, options),
  }
}

async function messageText(
  connection: WalsenderConnection,
  { decode, slotName, signal }: StartLogicalOptions,
): Promise<MessageText> {
  const encoding = typeof decode === 'string' ? decode : await pluginEncoding(connection, slotName, signal)
  if (decode) return { decode: true, toText: textDecoding(encoding) }
  // An encoding that cannot be read is no harm while nobody asks for text.
  return { decode: false, toText: (bytes) => textDecoding(encoding)(bytes) }
}

/** pgoutput converts to the client's encoding; the other plugins write what the database holds. */
async function pluginEncoding(
  connection: WalsenderConnection,
  slotName: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const databaseEncoding = connection.parameters.get('server_encoding') ?? 'UTF8'
  if (databaseEncoding === 'UTF8' || databaseEncoding === 'SQL_ASCII') return 'UTF8'
  const name = quoteLiteral(slotName, 'replication slot name')
  const { rows } = await connection.query<{ plugin: string | null }>(
    `SELECT plugin FROM pg_catalog.pg_replication_slots WHERE slot_name = ${name}`,
    { signal },
  )
  return rows[0]?.plugin === 'pgoutput' ? 'UTF8' : databaseEncoding
}
