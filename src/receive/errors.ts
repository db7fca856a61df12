import { WalshipError } from '../base/index.js'
import { ConnectionLostError, PgError, ServerError } from '../pg/index.js'

/** Failures of a receiver, in pg_receivewal's words where it has words for them. */
export class ReceiveError extends WalshipError {}

/**
 * Codes after which no later attempt can be right: going on would mix clusters, or trust a
 * disk whose fsync has failed.
 */
const FINAL_CODES = new Set([
  'RECEIVE_OTHER_CLUSTER',
  'RECEIVE_SEGMENT_SIZE',
  'RECEIVE_SERVER_VERSION',
  'RECEIVE_VERIFY_VERSION',
  'RECEIVE_WAL_DAMAGED',
  'WAL_FILE_SYNC_FAILED',
])

/** True when the receiver must end whatever the retry policy says. */
export function isFinal(error: WalshipError): boolean {
  return FINAL_CODES.has(error.code)
}

/** libpq's rendering of an error of the connection: a server's with severity and detail. */
function pgText(error: unknown): string {
  if (error instanceof ServerError) return error.text
  return error instanceof Error ? error.message : String(error)
}

/** A command was refused, or the line broke while it ran. */
export function commandFailed(command: string, error: unknown): unknown {
  if (!(error instanceof PgError)) return error
  return new ReceiveError(`could not send replication command "${command}": ${pgText(error)}`, {
    code: error.code,
    hint: error.hint ?? commandHint(command, error),
    retryable: error.retryable,
    context: { ...error.context, command },
    cause: error,
  })
}

function commandHint(command: string, error: PgError): string | undefined {
  if (error.sqlState === '42704' && command === 'START_REPLICATION')
    return 'create the slot with --create-slot'
  if (error.code === 'PG_SLOT_ACTIVE') {
    return 'another receiver uses the slot; after a crash the server needs up to wal_sender_timeout to notice'
  }
  if (error instanceof ServerError && error.routine === 'StartReplication' && error.sqlState === 'XX000') {
    return 'the directory is ahead of this server, or on a branch of its history that it left: compare the timelines, and keep the old files elsewhere'
  }
  return undefined
}

/** The stream broke. */
export function streamFailed(error: unknown): unknown {
  if (error instanceof ServerError) {
    return new ReceiveError(`unexpected termination of replication stream: ${error.text}`, {
      code: error.code,
      hint: error.hint,
      retryable: error.retryable,
      context: error.context,
      cause: error,
    })
  }
  if (error instanceof ConnectionLostError) {
    return new ReceiveError(`could not receive data from WAL stream: ${error.message}`, {
      code: error.code,
      hint: error.hint,
      retryable: true,
      cause: error,
    })
  }
  return error
}

/** Whatever was thrown, as one of ours. */
export function asWalshipError(error: unknown): WalshipError {
  if (error instanceof WalshipError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new ReceiveError(message, { code: 'RECEIVE_UNEXPECTED', retryable: true, cause: error })
}
