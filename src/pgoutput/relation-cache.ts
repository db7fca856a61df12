import { PgoutputMemoryError } from './errors.js'
import type { PayloadCursor } from './payload-cursor.js'
import type { Relation, TypeName } from './relation.js'

/** Enough for about a hundred thousand tables. */
const MAX_RELATION_BYTES = 64 * 1024 * 1024

interface Cached {
  readonly relation: Relation
  /** What its message took. */
  readonly byteCount: number
}

/**
 * The tables of one stream, as the server believes this side knows them.
 *
 * A streamed transaction has definitions of its own, since it may have changed tables and may
 * yet be rolled back; with its commit they become everybody's, as on the server
 * (src/backend/replication/pgoutput/pgoutput.c, cleanup_rel_sync_cache).
 */
export class RelationCache {
  readonly #committed = new Map<number, Cached>()
  readonly #streamed = new Map<number, Map<number, Cached>>()
  /** Names of types that are not built in. They are told anew before each relation that needs them. */
  readonly types = new Map<number, TypeName>()
  #current = this.#committed
  #byteCount = 0

  /** Definitions go to the streamed transaction `xid` from here on; null: to everybody. */
  enter(xid: number | null): void {
    if (xid === null) {
      this.#current = this.#committed
      return
    }
    const own = this.#streamed.get(xid) ?? new Map<number, Cached>()
    this.#streamed.set(xid, own)
    this.#current = own
  }

  add(relation: Relation, byteCount: number): void {
    this.#account(byteCount - (this.#current.get(relation.oid)?.byteCount ?? 0))
    this.#current.set(relation.oid, { relation, byteCount })
  }

  addType(oid: number, type: TypeName, byteCount: number): void {
    if (!this.types.has(oid)) this.#account(byteCount)
    this.types.set(oid, type)
  }

  /** @throws PgoutputError for a relation that was not told of in this stream */
  get(oid: number, cursor: PayloadCursor): Relation {
    const cached = this.#current.get(oid) ?? this.#committed.get(oid)
    if (cached === undefined)
      cursor.fail(`change of relation ${oid}, which was not described before,`, cursor.offset - 4)
    return cached.relation
  }

  /** The streamed transaction is over. */
  leave(xid: number, committed: boolean): void {
    for (const [oid, cached] of this.#streamed.get(xid) ?? []) {
      if (committed) {
        this.#byteCount -= this.#committed.get(oid)?.byteCount ?? 0
        this.#committed.set(oid, cached)
      } else this.#byteCount -= cached.byteCount
    }
    this.#streamed.delete(xid)
  }

  #account(byteCount: number): void {
    this.#byteCount += byteCount
    if (this.#byteCount > MAX_RELATION_BYTES) {
      throw new PgoutputMemoryError(
        'the definitions of the tables in the stream',
        MAX_RELATION_BYTES,
        'replicate fewer tables through one slot: give it a publication that names them',
      )
    }
  }
}
