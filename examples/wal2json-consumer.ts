/**
 * A consumer class for wal2json, or for another plugin as plain text.
 *
 * Run: PGHOST=... PGUSER=... PGDATABASE=... node --import tsx examples/wal2json-consumer.ts [messages] [plugin]
 *
 * Mistakes of the Python original that are mended here:
 * - It asked for format version 2 and read version 1, so no change was ever shown. Both are read here.
 * - `self.plug_name` was a typing error that raised after the slot had been made.
 * - It caught every error of the handler and went on to acknowledge the messages after it, which tells the
 *   server that the failed one is safe as well. Here a failed message ends the loop and comes again.
 *   JSON that cannot be read is told and passed over, as in the original: it would fail for ever.
 * - It told "already exists" by the text of the message, which servers translate. Here it is SQLSTATE 42710.
 * - Its loop without a wait took a whole processor.
 */
import {
  type ConnectOptions,
  connect,
  LogicalReplicationConnection,
  type LsnLike,
  type PluginOptionValue,
  REPLICATION_LOGICAL,
  type ReplicationCursor,
  type ReplicationMessage,
  ServerError,
} from 'walship'

type Handler = (message: ReplicationMessage, change: unknown) => void | Promise<void>

class LogicalReplicationConsumer implements AsyncDisposable {
  #connection: LogicalReplicationConnection | null = null
  #cursor: ReplicationCursor | null = null

  constructor(
    readonly connection: ConnectOptions,
    readonly slotName: string,
    readonly pluginName = 'wal2json',
  ) {}

  async connect(): Promise<void> {
    this.#connection = await connect({
      ...this.connection,
      connectionFactory: LogicalReplicationConnection,
    })
    this.#cursor = this.#connection.cursor()
  }

  /** `createReplicationSlot(name, { ifNotExists: true })` does the same, and compares the plugin. */
  async createSlot(): Promise<void> {
    try {
      await this.cursor.createReplicationSlot(this.slotName, {
        slotType: REPLICATION_LOGICAL,
        outputPlugin: this.pluginName,
      })
      console.log(`Created slot '${this.slotName}' with plugin '${this.pluginName}'`)
    } catch (error) {
      if (!(error instanceof ServerError && error.sqlState === '42710')) throw error
      console.log(`Slot '${this.slotName}' already exists`)
    }
  }

  async startConsuming(startLsn: LsnLike = 0, options?: Record<string, PluginOptionValue>): Promise<void> {
    await this.cursor.startReplication({
      slotName: this.slotName,
      startLsn,
      options: options ?? (this.pluginName === 'wal2json' ? WAL2JSON_OPTIONS : {}),
      decode: true,
    })
    console.log(`Started replication from LSN ${startLsn}`)
  }

  /** Handles messages until there were enough, the stream ends, or the signal aborts. */
  async processMessages(handle: Handler, maxMessages?: number, signal?: AbortSignal): Promise<void> {
    let processed = 0
    try {
      for await (const message of this.cursor.messages({ signal })) {
        const change = this.#parse(message)
        if (change !== undefined) await handle(message, change)
        // Only now: what was only received is not safe.
        message.ack()
        processed += 1
        if (maxMessages !== undefined && processed >= maxMessages) break
      }
    } catch (error) {
      if (!signal?.aborted) throw error
      console.log('Replication stopped by user')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection?.close()
  }

  get cursor(): ReplicationCursor {
    if (this.#cursor === null) throw new Error('connect() was not called')
    return this.#cursor
  }

  #parse(message: ReplicationMessage): unknown {
    if (this.pluginName !== 'wal2json') return message.text
    try {
      return JSON.parse(message.text)
    } catch (error) {
      console.log(`JSON decode error: ${error}`)
      console.log(`Raw payload: ${message.text}`)
      return undefined
    }
  }
}

const WAL2JSON_OPTIONS = {
  'include-xids': '0',
  'include-timestamp': '1',
  'include-schemas': '1',
  'include-types': '1',
  'format-version': '2',
}

/** What is used of wal2json's format 1: a transaction with its changes. */
interface Format1 {
  readonly change: readonly {
    readonly kind: string
    readonly schema: string
    readonly table: string
    readonly columnnames?: readonly string[]
    readonly columnvalues?: readonly unknown[]
  }[]
}

/** And of format 2: one object for each row, and for begin (B) and commit (C). */
interface Format2 {
  readonly action: string
  readonly schema?: string
  readonly table?: string
  readonly columns?: readonly { readonly name: string; readonly value: unknown }[]
}

function handleChange(message: ReplicationMessage, change: unknown): void {
  console.log(`--- Change at LSN ${message.dataStart}, ${message.sendTime.toISOString()} ---`)
  if (typeof change !== 'object' || change === null) {
    console.log(`Raw change: ${change}`)
    return
  }
  if ('change' in change) {
    for (const { kind, schema, table, columnnames = [], columnvalues = [] } of (change as Format1).change) {
      console.log(`Table: ${schema}.${table}, Operation: ${kind}`)
      show(columnnames.map((name, index) => [name, columnvalues[index]]))
    }
  } else if ('action' in change) {
    const { action, schema, table, columns = [] } = change as Format2
    if (table === undefined) return
    console.log(`Table: ${schema}.${table}, Operation: ${action}`)
    show(columns.map(({ name, value }) => [name, value]))
  }
}

function show(columns: [string, unknown][]): void {
  if (columns.length > 0) console.log(`Data: ${JSON.stringify(Object.fromEntries(columns))}`)
}

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
const formatVersion = process.env.WAL2JSON_FORMAT

await using consumer = new LogicalReplicationConsumer(
  { environment: process.env },
  'app_changes',
  process.argv[3],
)
await consumer.connect()
await consumer.createSlot()
await consumer.startConsuming(
  0,
  formatVersion === undefined ? undefined : { ...WAL2JSON_OPTIONS, 'format-version': formatVersion },
)
await consumer.processMessages(handleChange, Number(process.argv[2] ?? 50), interrupted.signal)
