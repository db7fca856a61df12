import type { Lsn } from '../wal/index.js'
import type { PayloadCursor } from './payload-cursor.js'

export type ReplicaIdentity = 'default' | 'nothing' | 'full' | 'index'

/** A name and schema that a Type message gave to an OID. */
export interface TypeName {
  readonly schema: string
  readonly name: string
}

export interface RelationColumn {
  readonly name: string
  /** Part of the replica identity; every column is with REPLICA IDENTITY FULL. */
  readonly key: boolean
  readonly typeOid: number
  /** As pg_attribute.atttypmod has it, e.g. the limit of a varchar; -1 = none. */
  readonly typeModifier: number
  /** Null for built-in types, which pgoutput does not name. */
  readonly type: TypeName | null
}

/**
 * A table as it was at this point of the stream: pgoutput sends it before the first change
 * of the table and again after each change of its definition. Never modified afterwards, so
 * that a change keeps the definition it was made under.
 */
export class Relation {
  readonly kind = 'relation'
  /** 0/0: pgoutput sends these without a position. */
  readonly lsn: Lsn
  /** The (sub)transaction, in a streamed transaction; else null. */
  readonly xid: number | null
  readonly oid: number
  /** As pgoutput sends it, save that its empty text is spelled out: `pg_catalog`. */
  readonly schema: string
  readonly name: string
  readonly replicaIdentity: ReplicaIdentity
  readonly columns: readonly RelationColumn[]
  #indexes: ReadonlyMap<string, number> | null = null

  constructor(fields: Omit<Relation, 'kind' | 'indexOf'>) {
    this.lsn = fields.lsn
    this.xid = fields.xid
    this.oid = fields.oid
    this.schema = fields.schema
    this.name = fields.name
    this.replicaIdentity = fields.replicaIdentity
    this.columns = fields.columns
  }

  /** Index of a column, -1 when there is none of that name. */
  indexOf(columnName: string): number {
    this.#indexes ??= new Map(this.columns.map(({ name }, index) => [name, index]))
    return this.#indexes.get(columnName) ?? -1
  }
}

/** pg_class.relreplident. */
const REPLICA_IDENTITIES = new Map<string, ReplicaIdentity>([
  ['d', 'default'],
  ['n', 'nothing'],
  ['f', 'full'],
  ['i', 'index'],
])

/** @param typeNames what Type messages have told so far */
export function readRelation(
  cursor: PayloadCursor,
  xid: number | null,
  typeNames: ReadonlyMap<number, TypeName>,
): Relation {
  const oid = cursor.uint32()
  const schema = cursor.text() || 'pg_catalog'
  const name = cursor.text()
  const identityAt = cursor.offset
  const replicaIdentity = REPLICA_IDENTITIES.get(String.fromCharCode(cursor.uint8()))
  if (replicaIdentity === undefined) cursor.fail('unknown replica identity', identityAt)
  const columns: RelationColumn[] = []
  for (let left = cursor.uint16(); left > 0; left--) {
    const flags = cursor.uint8()
    const columnName = cursor.text()
    const typeOid = cursor.uint32()
    columns.push({
      name: columnName,
      key: (flags & 1) !== 0,
      typeOid,
      typeModifier: cursor.int32(),
      type: typeNames.get(typeOid) ?? null,
    })
  }
  return new Relation({ lsn: cursor.lsn, xid, oid, schema, name, replicaIdentity, columns })
}
