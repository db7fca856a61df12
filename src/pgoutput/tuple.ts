import type { PayloadCursor } from './payload-cursor.js'
import type { Relation } from './relation.js'

/**
 * Stands for a value that the server did not send, because it is stored out of line (TOAST) and
 * the update did not touch it. Not null, not undefined, and left out by JSON.stringify.
 */
export const UNCHANGED_TOAST: unique symbol = Symbol.for('walship.unchangedToast')

/** Text; bytes where the server sent the type's binary form (option `binary`); SQL NULL; or not sent. */
export type ColumnValue = string | Buffer | null | typeof UNCHANGED_TOAST

const NULL = 0x6e // 'n'
const UNCHANGED = 0x75 // 'u'
const TEXT = 0x74 // 't'
const BINARY = 0x62 // 'b'

/** Values are cut from one text of the whole row up to this size; a value kept keeps that text. */
const MAX_SHARED_TEXT = 4096

/**
 * An object without a prototype of its own making: a column named `__proto__` is one like any other.
 * Made by a constructor, since V8 keeps such objects fast and those of Object.create(null) not.
 */
function EmptyRow() {}
EmptyRow.prototype = Object.create(null)
const RowConstructor = EmptyRow as unknown as new () => Record<string, ColumnValue>

/**
 * A row of a change, or the key of one. Its bytes were checked when the message was decoded;
 * values are made when they are asked for.
 */
export class Tuple {
  readonly relation: Relation
  /** Only the columns of the replica identity were sent; the others look like null. */
  readonly keyOnly: boolean
  readonly #bytes: Buffer
  readonly #start: number
  readonly #end: number
  #values: readonly ColumnValue[] | null = null

  constructor(relation: Relation, keyOnly: boolean, bytes: Buffer, start: number, end: number) {
    this.relation = relation
    this.keyOnly = keyOnly
    this.#bytes = bytes
    this.#start = start
    this.#end = end
  }

  /** All values in the order of the relation's columns. */
  values(): readonly ColumnValue[] {
    this.#values ??= this.#readAll()
    return this.#values
  }

  /**
   * The value of one column.
   *
   * @throws RangeError when the relation has no such column
   */
  get(columnName: string): ColumnValue {
    const index = this.relation.indexOf(columnName)
    if (index < 0) {
      const { schema, name } = this.relation
      throw new RangeError(`relation "${schema}.${name}" has no column ${JSON.stringify(columnName)}`)
    }
    return this.#values === null ? this.#readOne(index) : this.#values[index]!
  }

  /**
   * The values by column name; of a key only the key's columns.
   *
   * @param old gives the values that were not sent, where it has them (REPLICA IDENTITY FULL)
   */
  toObject(old?: Tuple | null): Record<string, ColumnValue> {
    const row = new RowConstructor()
    const values = this.values()
    const { columns } = this.relation
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index]!
      if (this.keyOnly && !column.key) continue
      const value = values[index]!
      row[column.name] = value === UNCHANGED_TOAST && old != null ? old.get(column.name) : value
    }
    return row
  }

  toJSON(): Record<string, ColumnValue> {
    return this.toObject()
  }

  /**
   * The bytes of one value as they came, a view of the payload: for text in another encoding.
   *
   * @returns null for NULL, UNCHANGED_TOAST when it was not sent
   */
  rawAt(index: number): Buffer | null | typeof UNCHANGED_TOAST {
    const at = this.#seek(index)
    const kind = this.#bytes[at]
    if (kind === NULL) return null
    if (kind === UNCHANGED) return UNCHANGED_TOAST
    return this.#bytes.subarray(at + 5, at + 5 + int32At(this.#bytes, at + 1))
  }

  #readOne(index: number): ColumnValue {
    const raw = this.rawAt(index)
    if (!(raw instanceof Buffer)) return raw
    return this.#bytes[this.#seek(index)] === TEXT ? raw.toString('utf8') : raw
  }

  /** Where the column's kind byte is. */
  #seek(index: number): number {
    if (!(index >= 0 && index < this.relation.columns.length))
      throw new RangeError(`no column ${index} of ${this.relation.columns.length}`)
    let at = this.#start
    for (let skip = index; skip > 0; skip--) {
      const kind = this.#bytes[at]
      at += kind === TEXT || kind === BINARY ? 5 + int32At(this.#bytes, at + 1) : 1
    }
    return at
  }

  #readAll(): ColumnValue[] {
    const bytes = this.#bytes
    const start = this.#start
    const text = this.#end - start <= MAX_SHARED_TEXT ? bytes.toString('utf8', start, this.#end) : ''
    // Each byte made exactly one character, so no value has a character of several bytes, and
    // offsets in the bytes are offsets in the text. One call for the row is three times as fast
    // as one for each value.
    const shared = text.length === this.#end - start
    const values: ColumnValue[] = []
    let at = start
    for (let left = this.relation.columns.length; left > 0; left--) {
      const kind = bytes[at++]
      if (kind === TEXT || kind === BINARY) {
        const from = at + 4
        at = from + int32At(bytes, at)
        if (kind === BINARY) values.push(bytes.subarray(from, at))
        else if (shared) values.push(text.slice(from - start, at - start))
        else values.push(bytes.toString('utf8', from, at))
      } else values.push(kind === NULL ? null : UNCHANGED_TOAST)
    }
    return values
  }
}

function int32At(bytes: Buffer, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

/** Checks a TupleData to its end and steps over it. */
export function readTuple(cursor: PayloadCursor, relation: Relation, keyOnly: boolean): Tuple {
  const count = cursor.uint16()
  if (count !== relation.columns.length) {
    const { schema, name, columns } = relation
    cursor.fail(
      `${count} values for the ${columns.length} columns of relation "${schema}.${name}"`,
      cursor.offset - 2,
    )
  }
  const { bytes, offset: start } = cursor
  const end = bytes.length
  let at = start
  for (let left = count; left > 0; left--) {
    if (at >= end) cursor.fail(`${left} values missing`, at)
    const kind = bytes[at++]
    if (kind === TEXT || kind === BINARY) {
      if (end - at < 4) cursor.fail('length of a value cut off', at)
      const length = int32At(bytes, at)
      at += 4
      if (length < 0) cursor.fail(`negative length ${length}`, at - 4)
      if (length > end - at) cursor.fail(`value of ${length} bytes wanted, ${end - at} left,`, at)
      at += length
    } else if (kind !== NULL && kind !== UNCHANGED) cursor.fail(`unknown kind of value ${kind}`, at - 1)
  }
  cursor.offset = at
  return new Tuple(relation, keyOnly, bytes, start, at)
}
