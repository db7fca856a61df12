import { ProtocolError, type ServerFields } from './errors.js'

const ERROR_RESPONSE = 0x45

/** A field's code, and what it is called here. PostgreSQL chapter 54.8. */
const FIELD_NAMES: Readonly<Record<string, keyof ServerFields>> = {
  S: 'severity',
  V: 'severityCode',
  C: 'sqlState',
  M: 'message',
  D: 'detail',
  H: 'hint',
  P: 'position',
  R: 'routine',
}

/**
 * Reads an ErrorResponse or NoticeResponse. Not left to pg-protocol: it drops the untranslated severity, and a message
 * without its end keeps it in a loop for ever.
 *
 * @param frame type byte and length included
 * @throws ProtocolError for fields without an end
 */
export function readServerFields(frame: Buffer): ServerFields {
  const what = frame[0] === ERROR_RESPONSE ? 'error' : 'notice'
  const fields: { -readonly [Name in keyof ServerFields]: ServerFields[Name] } = {
    severity: 'ERROR',
    sqlState: '',
    message: '',
  }
  let at = 5
  while (frame[at] !== 0) {
    const end = frame.indexOf(0, at + 1)
    if (end < 0) throw new ProtocolError(`could not interpret ${what} message from server: it has no end`)
    const name = FIELD_NAMES[String.fromCharCode(frame[at]!)]
    if (name !== undefined) fields[name] = frame.toString('utf8', at + 1, end)
    at = end + 1
  }
  if (fields.message === '') fields.message = `${what} without a text`
  return fields
}
