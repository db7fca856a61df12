/**
 * PostgreSQL's clock on the wire: microseconds since 2000-01-01 00:00 UTC, as a signed 64-bit integer.
 * PostgreSQL: src/include/datatype/timestamp.h (POSTGRES_EPOCH_JDATE).
 */
const PG_EPOCH_UNIX_MS = 946_684_800_000

/** @param micros microseconds since 2000-01-01 UTC */
export function pgTimeToDate(micros: bigint): Date {
  return new Date(Number(micros / 1000n) + PG_EPOCH_UNIX_MS)
}

/** @returns microseconds since 2000-01-01 UTC */
export function dateToPgTime(date: Date): bigint {
  return BigInt(date.getTime() - PG_EPOCH_UNIX_MS) * 1000n
}

/**
 * A moment as PostgreSQL prints a timestamptz in the time zone UTC, to the microsecond: `2026-03-01 12:00:00.25+00`.
 *
 * @param micros microseconds since 2000-01-01 UTC
 */
export function formatPgTime(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const whole = pgTimeToDate(micros - fraction)
    .toISOString()
    .slice(0, 19)
    .replace('T', ' ')
  const digits = fraction.toString().padStart(6, '0').replace(/0+$/, '')
  return `${whole}${digits === '' ? '' : `.${digits}`}+00`
}

const TIME_TEXT =
  /^(\d{4}-\d{2}-\d{2})(?:[ T]+(\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?)?\s*(?:(Z|UTC|GMT)|([+-]\d{2})(?::?(\d{2}))?)?$/i

/**
 * Reads a moment: `2026-03-01 12:00:00.25+01`, with or without fraction, seconds or time of day. Without a zone it is in
 * the one of this machine.
 *
 * @returns microseconds since 2000-01-01 UTC; null for anything else
 */
export function parsePgTime(text: string): bigint | null {
  const match = TIME_TEXT.exec(text.trim())
  if (match === null) return null
  const [, day, minutes = '00:00', seconds = '00', fraction = '', utc, hours, offsetMinutes = '00'] = match
  const zone = utc !== undefined ? 'Z' : hours === undefined ? '' : `${hours}:${offsetMinutes}`
  const date = new Date(`${day}T${minutes}:${seconds}${zone}`)
  // A day that does not exist would be taken for one of the next month.
  const isDay = new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day!) === true
  return isDay && !Number.isNaN(date.getTime()) ? dateToPgTime(date) + BigInt(fraction.padEnd(6, '0')) : null
}
