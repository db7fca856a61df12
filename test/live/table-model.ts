/** The tables of a server as the changes of a stream make them: what a SELECT is compared with. */
import type { Change, ColumnValue, Relation, Tuple } from '../../src/index.js'

type Row = Record<string, ColumnValue>

export class TableModel {
  readonly #tables = new Map<string, Row[]>()

  /** @throws when a change does not fit to the rows that are there */
  apply(changes: readonly Change[]): void {
    for (const change of changes) this.#applyOne(change)
  }

  /** The rows of a table, as sorted texts. */
  rows(table: string): string[] {
    return this.#rows(table).map(rowText).sort()
  }

  #applyOne(change: Change): void {
    switch (change.kind) {
      case 'insert':
        this.#rows(change.relation.name).push(change.new.toObject())
        break
      case 'update': {
        const row = this.#take(change.relation, change.key ?? change.old ?? change.new)
        const fresh = change.new.toObject(change.old)
        // What was not sent is what it was before.
        for (const [name, value] of Object.entries(fresh)) {
          if (typeof value === 'symbol') fresh[name] = row[name]!
        }
        this.#rows(change.relation.name).push(fresh)
        break
      }
      case 'delete':
        this.#take(change.relation, (change.key ?? change.old)!)
        break
      case 'truncate':
        for (const { name } of change.relations) this.#tables.delete(name)
    }
  }

  /** Takes out the row that has these values in the columns of the replica identity. */
  #take(relation: Relation, identity: Tuple): Row {
    const wanted = identity.toObject()
    const keys = relation.columns.filter(({ key }) => key).map(({ name }) => name)
    const rows = this.#rows(relation.name)
    const index = rows.findIndex((row) => keys.every((name) => row[name] === wanted[name]))
    if (index < 0) throw new Error(`no row of ${relation.name} is ${rowText(wanted)}`)
    return rows.splice(index, 1)[0]!
  }

  #rows(table: string): Row[] {
    const rows = this.#tables.get(table) ?? []
    this.#tables.set(table, rows)
    return rows
  }
}

export function rowText(row: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))
}
