import { type Lsn, parseLsn } from '../wal/index.js'

/** Every column is asked for as text, so that a value means the same over any client. */
export type TextRow<Column extends string> = Readonly<Record<Column, string | null>>

export function lsnOf(text: string | null): Lsn | null {
  return text === null ? null : parseLsn(text)
}

export function bytesOf(text: string | null): bigint | null {
  return text === null ? null : BigInt(text)
}

export function numberOf(text: string | null): number | null {
  return text === null ? null : Number(text)
}

export function booleanOf(text: string | null): boolean | null {
  return text === null ? null : text === 'true'
}

/** @param text seconds since 1970, with a fraction */
export function dateOf(text: string | null): Date | null {
  return text === null ? null : new Date(Number(text) * 1000)
}

/** @param text seconds, with a fraction */
export function millisecondsOf(text: string | null): number | null {
  return text === null ? null : Number(text) * 1000
}
