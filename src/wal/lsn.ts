/**
 * A position in the write-ahead log: an unsigned 64-bit byte address.
 *
 * Its own type, so that a byte count or a segment number cannot be taken for a
 * position by mistake. Text (`16/B374D848`) exists only at the edges.
 * PostgreSQL: src/include/access/xlogdefs.h (XLogRecPtr), datatype pg_lsn.
 */
export type Lsn = bigint & { readonly unit: 'lsn' }

/** What callers may pass for a position: an LSN, its text, or a safe non-negative integer. */
export type LsnLike = bigint | string | number

/** Zero is never a valid position in WAL: PostgreSQL's InvalidXLogRecPtr. */
export const INVALID_LSN = 0n as Lsn

const MAX_LSN = 0xffff_ffff_ffff_ffffn

/**
 * Checks a number and gives it the LSN type.
 *
 * @throws RangeError below 0 or above 2^64 - 1
 */
export function toLsn(value: bigint): Lsn {
  if (value < 0n || value > MAX_LSN) throw new RangeError(`LSN ${value} is out of range 0 .. 2^64-1`)
  return value as Lsn
}

/**
 * Reads an LSN from any of the accepted forms.
 *
 * @param value `16/B374D848` (either half may be padded or lower case), a bigint, or a safe integer
 * @throws SyntaxError for text that is not two hexadecimal halves of at most 8 digits
 * @throws RangeError for a number that is negative, unsafe or above 2^64 - 1
 */
export function parseLsn(value: LsnLike): Lsn {
  if (typeof value === 'bigint') return toLsn(value)
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw new RangeError(`LSN ${value} is not a safe integer: pass a bigint`)
    return toLsn(BigInt(value))
  }
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(value)
  if (match === null)
    throw new SyntaxError(`invalid LSN ${JSON.stringify(value)}: expected a form like 16/B374D848`)
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn
}

/** The form PostgreSQL prints up to version 18: two hexadecimal halves without padding. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`
}

/** `a - b` in bytes, negative when `a` is behind. */
export function lsnDiff(a: LsnLike, b: LsnLike): bigint {
  return parseLsn(a) - parseLsn(b)
}

/** The position `byteCount` bytes further on. */
export function lsnAdd(lsn: Lsn, byteCount: number | bigint): Lsn {
  return (lsn + BigInt(byteCount)) as Lsn
}

export function lsnMax(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b
}

export function lsnMin(a: Lsn, b: Lsn): Lsn {
  return a < b ? a : b
}
