import { ProtocolError } from './errors.js'
import type { RawResult } from './simple-query.js'

/**
 * What a value of a result is here. Types that JavaScript has exactly become values; all others
 * stay the text that the server sent, because a Date has no microseconds and a number no 38 digits.
 */
export type SqlValue = string | number | bigint | boolean | Buffer | null

/** One row by position, as cursors give it. */
export type SqlTuple = readonly SqlValue[]

export interface Column {
  readonly name: string
  /** The type's OID, from pg_type. */
  readonly dataTypeId: number
}

/** OIDs of types that never change. PostgreSQL: src/include/catalog/pg_type.dat */
const BOOL = 16
const BYTEA = 17
const INT8 = 20
const INT2 = 21
const INT4 = 23
const OID = 26
const XID = 28
const FLOAT4 = 700
const FLOAT8 = 701

/**
 * Gives the text of a value its type: bool is a boolean, int2, int4, oid, xid and floats are
 * numbers, int8 is a bigint, bytea a Buffer. Everything else (pg_lsn, numeric, timestamptz, inet,
 * json, ...) is text.
 */
export function sqlValue(bytes: Buffer | null, dataTypeId: number): SqlValue {
  if (bytes === null) return null
  const text = bytes.toString('utf8')
  switch (dataTypeId) {
    case BOOL:
      return text === 't'
    case INT2:
    case INT4:
    case OID:
    case XID:
    case FLOAT4:
    case FLOAT8:
      return Number(text)
    case INT8:
      if (!/^-?\d{1,19}$/.test(text)) throw new ProtocolError(`server sent "${text}" for an int8`)
      return BigInt(text)
    case BYTEA:
      // With bytea_output=escape it is other text, which is left as it is.
      return text.startsWith('\\x') ? Buffer.from(text.slice(2), 'hex') : text
    default:
      return text
  }
}

export function columnsOf(result: RawResult): readonly Column[] {
  return result.columns.map(({ name, dataTypeID }) => ({ name, dataTypeId: dataTypeID }))
}

/** The rows of a result by position. */
export function tuplesOf(result: RawResult): SqlTuple[] {
  return result.rows.map((row) =>
    row.map((value, index) => sqlValue(value, result.columns[index]?.dataTypeID ?? 0)),
  )
}

/** What a query brought: rows by column name. */
export interface QueryResult<Row> {
  readonly rows: readonly Row[]
  readonly columns: readonly Column[]
  /** Rows returned or changed; 0 where the command does not count. */
  readonly rowCount: number
  /** The command tag, such as `SELECT 3`. Its wording differs between server versions. */
  readonly command: string
}

export function queryResult<Row>(result: RawResult | undefined): QueryResult<Row> {
  if (result === undefined) return { rows: [], columns: [], rowCount: 0, command: '' }
  const columns = columnsOf(result)
  const rows = tuplesOf(result).map((tuple) =>
    Object.fromEntries(tuple.map((value, index) => [columns[index]!.name, value])),
  ) as Row[]
  return { rows, columns, rowCount: countOf(result), command: result.tag }
}

/** The number at the end of a command tag; walsender commands have none, so their rows count. */
export function countOf(result: RawResult): number {
  return Number(/ (\d+)$/.exec(result.tag)?.[1] ?? result.rows.length)
}
