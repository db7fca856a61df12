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
