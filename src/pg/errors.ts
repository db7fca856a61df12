import { WalshipError, type WalshipErrorOptions } from '../base/index.js'

/**
 * Errors of everything that talks to a server. One class per kind of failure, so that a
 * caller can tell "the server said no" from "the line is dead" without reading texts,
 * which servers translate.
 */
export interface PgErrorOptions extends WalshipErrorOptions {
  /** Five-character SQLSTATE, where a server sent one. */
  readonly sqlState?: string
}

/** Base of all errors of this room. */
export class PgError extends WalshipError {
  readonly sqlState: string | undefined
  constructor(message: string, options: PgErrorOptions) {
    super(message, options)
    this.sqlState = options.sqlState
  }
}

/** The caller asked for something that cannot be sent: found before anything went out. */
export class UsageError extends PgError {
  constructor(message: string, options: Partial<PgErrorOptions> = {}) {
    super(message, { code: 'PG_USAGE', ...options })
  }
}

/** No session could be established. The message is libpq's text for the case. */
export class ConnectionFailedError extends PgError {
  constructor(message: string, options: Partial<PgErrorOptions> = {}) {
    super(message, { code: 'PG_CONNECTION_FAILED', ...options })
  }
}

/** An established session ended without the server saying so: end of file, reset, silence. */
export class ConnectionLostError extends PgError {
  constructor(message: string, options: Partial<PgErrorOptions> = {}) {
    super(message, { code: 'PG_CONNECTION_LOST', retryable: true, ...options })
  }
}

/** The peer sent bytes that the protocol does not allow. The connection is not usable afterwards. */
export class ProtocolError extends PgError {
  constructor(message: string, options: Partial<PgErrorOptions> = {}) {
    super(message, { code: 'PG_PROTOCOL', retryable: true, ...options })
  }
}

/** The fields of an ErrorResponse or NoticeResponse (PostgreSQL chapter 54.8). */
export interface ServerFields {
  /** As the server's language has it. */
  readonly severity: string
  /** Untranslated: `ERROR`, `FATAL`, ...; servers before 9.6 do not send it. */
  readonly severityCode?: string
  readonly sqlState: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
  readonly routine?: string
  readonly position?: string
}

/** libpq's rendering: severity, two blanks, message, then DETAIL and HINT lines. */
export function serverText(fields: ServerFields): string {
  let text = `${fields.severity}:  ${fields.message}`
  if (fields.detail !== undefined) text += `\nDETAIL:  ${fields.detail}`
  if (fields.hint !== undefined) text += `\nHINT:  ${fields.hint}`
  return text
}

/** SQLSTATE classes and codes after which the same request can succeed later. */
const RETRYABLE_STATES = /^(08...|53300|55006|57P0[1-5]|53...|58030|40...|XX001)$/

/** The server refused something or ended the session, and said why. */
export class ServerError extends PgError {
  override readonly sqlState: string
  readonly severity: string
  readonly detail: string | undefined
  /** The server function that raised it: a name that is never translated. */
  readonly routine: string | undefined
  /** The session is over: nothing more can be sent on it. */
  readonly fatal: boolean
  /** The whole error as libpq renders it. */
  readonly text: string

  constructor(
    fields: ServerFields,
    options: { code?: string; retryable?: boolean; message?: string; hint?: string } = {},
  ) {
    super(options.message ?? fields.message, {
      code: options.code ?? 'PG_SERVER_ERROR',
      hint: options.hint ?? fields.hint,
      sqlState: fields.sqlState,
      retryable: options.retryable ?? RETRYABLE_STATES.test(fields.sqlState),
      context: { severity: fields.severity, sqlState: fields.sqlState, detail: fields.detail },
    })
    this.sqlState = fields.sqlState
    this.severity = fields.severity
    this.detail = fields.detail
    this.routine = fields.routine
    this.fatal = /^(FATAL|PANIC)$/.test(fields.severityCode ?? fields.severity)
    this.text = serverText(fields)
  }
}

/** The slot cannot deliver what it once reserved: WAL was removed, or the server gave the slot up. */
export class SlotInvalidatedError extends ServerError {}

/** The server no longer has the WAL that was asked for. */
export class WalRemovedError extends ServerError {}

/** Another session streams from the slot. */
export class SlotActiveError extends ServerError {
  /** The backend that holds it, where the server told. */
  readonly pid: number | undefined
  constructor(fields: ServerFields) {
    super(fields, { code: 'PG_SLOT_ACTIVE', retryable: true })
    const pid = /\bPID (\d+)/.exec(fields.message)?.[1]
    this.pid = pid === undefined ? undefined : Number(pid)
  }
}

/**
 * Gives a server's error the class of its kind. Judged by SQLSTATE and the routine that
 * raised it, which are never translated; the message text is.
 */
export function serverError(fields: ServerFields): ServerError {
  if (fields.sqlState === '55006' && fields.routine?.startsWith('ReplicationSlot'))
    return new SlotActiveError(fields)
  if (
    fields.sqlState === '58P01' &&
    /^(WalSndSegmentOpen|XLogRead|WALRead|WALReadRaiseError)/.test(fields.routine ?? '')
  )
    return new WalRemovedError(fields, {
      code: 'PG_WAL_REMOVED',
      retryable: false,
      hint: fields.hint ?? 'the missing WAL can only come from an archive; a new base backup closes the gap',
    })
  if (
    fields.sqlState === '55000' &&
    // Servers up to 15 say it in StartLogicalReplication, which has no other reason for this state.
    (fields.routine === 'StartLogicalReplication' ||
      (/^(ReplicationSlotAcquire|CreateDecodingContext|CreateInitDecodingContext)/.test(
        fields.routine ?? '',
      ) &&
        /invalidat|no longer|cannot (read|be used)/i.test(`${fields.message} ${fields.detail ?? ''}`)))
  )
    return new SlotInvalidatedError(fields, {
      code: 'PG_SLOT_INVALIDATED',
      retryable: false,
      hint:
        fields.hint ??
        'the server has given the slot up: drop it and create it anew; WAL that was removed meanwhile can only come from an archive, else a new base backup closes the gap',
    })
  return new ServerError(fields)
}
