import { ProtocolError, type ServerError, type ServerFields, UsageError } from './errors.js'
import { queryFrame } from './frontend.js'
import type { BackendMessage, Wire } from './wire.js'

/** One result set of a simple query. Values are the bytes the server sent. */
export interface RawResult {
  readonly columns: readonly { readonly name: string; readonly dataTypeID: number }[]
  readonly rows: readonly (readonly (Buffer | null)[])[]
  /** The command tag; its wording differs between versions, so never decide by it. */
  readonly tag: string
}

export interface SimpleQueryOptions {
  readonly signal?: AbortSignal
  readonly maxResultBytes?: number
  readonly onNotice?: (notice: ServerFields) => void
  /** A setting changed, or was reported for the first time. */
  readonly onParameter?: (name: string, value: string) => void
}

const DEFAULT_MAX_RESULT_BYTES = 256 * 1024 * 1024

/** What a row and a value cost besides the value's bytes, about. */
const ROW_OVERHEAD = 64
const VALUE_OVERHEAD = 96

/**
 * Runs one command over the simple query protocol, the only one a walsender speaks, and
 * waits until the server is ready for the next.
 *
 * An aborted command leaves the session in the middle of an answer, so the connection is destroyed.
 *
 * @throws ServerError when the server refused it; the session stays usable unless it was fatal
 * @throws ConnectionLostError or ProtocolError; the signal's reason on abort
 */
export async function simpleQuery(
  wire: Wire,
  sql: string,
  options: SimpleQueryOptions = {},
): Promise<RawResult[]> {
  const frame = queryFrame(sql)
  if (wire.failure !== null) throw wire.failure
  options.signal?.throwIfAborted()
  wire.send(frame)
  try {
    const outcome = await readResults(wire, options)
    if (outcome.kind === 'stream') throw new ProtocolError('server started a stream that was not asked for')
    return outcome.results
  } catch (error) {
    if (options.signal?.aborted) wire.transport.destroy()
    throw error
  }
}

export type QueryOutcome =
  | { readonly kind: 'results'; readonly results: RawResult[] }
  | { readonly kind: 'stream' }

/**
 * Reads the answer to a command up to ReadyForQuery, or up to CopyBothResponse.
 *
 * @throws ServerError after ReadyForQuery has been seen, or at once when it was fatal
 */
export async function readResults(wire: Wire, options: SimpleQueryOptions): Promise<QueryOutcome> {
  const results: RawResult[] = []
  let columns: RawResult['columns'] = []
  let rows: (Buffer | null)[][] = []
  let failure: ServerError | null = null
  let resultBytes = 0
  for (;;) {
    let message: BackendMessage
    try {
      message = await wire.next(options.signal)
    } catch (error) {
      // The server said why before it closed the line: that is the better answer.
      throw failure ?? error
    }
    switch (message.name) {
      case 'rowDescription':
        columns = message.fields
        rows = []
        break
      case 'dataRow':
        if (message.values.length !== columns.length)
          throw new ProtocolError(
            `server sent a row of ${message.values.length} values for ${columns.length} columns`,
          )
        resultBytes += sizeOf(message.values)
        if (resultBytes > (options.maxResultBytes ?? DEFAULT_MAX_RESULT_BYTES)) throw tooLarge(resultBytes)
        rows.push([...message.values])
        break
      case 'commandComplete':
        results.push({ columns, rows, tag: message.text })
        columns = []
        rows = []
        break
      case 'error':
        failure ??= message.error
        if (message.error.fatal) throw message.error
        break
      case 'notice':
        options.onNotice?.(message.notice)
        break
      case 'parameterStatus':
        options.onParameter?.(message.parameterName, message.parameterValue)
        break
      case 'replicationStart':
        return { kind: 'stream' }
      case 'readyForQuery':
        if (failure !== null) throw failure
        return { kind: 'results', results }
      case 'emptyQuery':
      case 'copyDone':
        break
      default:
        throw new ProtocolError(
          `unexpected message "${message.name}" while waiting for the result of a command`,
        )
    }
  }
}

function sizeOf(values: readonly (Buffer | null)[]): number {
  return values.reduce((sum, value) => sum + VALUE_OVERHEAD + (value?.length ?? 0), ROW_OVERHEAD)
}

function tooLarge(byteCount: number): ProtocolError {
  return new ProtocolError(`the result of a command takes more than ${byteCount} bytes`, {
    code: 'PG_RESULT_TOO_LARGE',
    retryable: false,
    hint: 'ask for less at once, or raise maxResultBytes',
  })
}

/** The one row of a result that must have one, as text. */
export function singleRow(
  results: readonly RawResult[],
  columnCount: number,
  what: string,
): (string | null)[] {
  const rows = results[0]?.rows
  if (rows === undefined || rows.length !== 1 || rows[0]!.length < columnCount) {
    throw new ProtocolError(
      `${what}: got ${rows?.length ?? 0} rows and ${rows?.[0]?.length ?? 0} fields, expected 1 row and ${columnCount} or more fields`,
    )
  }
  return rows[0]!.map((value) => value?.toString('utf8') ?? null)
}

/** @throws UsageError while a stream is under way: a walsender takes no command then */
export function refuseWhileStreaming(streaming: boolean): void {
  if (streaming) throw new UsageError('replication is in progress: stop it before sending a command')
}
