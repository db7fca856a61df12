import type {
  DeleteMessage,
  InsertMessage,
  LogicalMessage,
  TruncateMessage,
  TypeMessage,
  UpdateMessage,
} from './messages.js'
import type { PayloadCursor } from './payload-cursor.js'
import type { RelationCache } from './relation-cache.js'
import { readTuple, type Tuple } from './tuple.js'

/** The messages that describe changes: from after their type byte and xid to their end. */

const KEY = 0x4b // 'K'
const OLD = 0x4f // 'O'
const NEW = 0x4e // 'N'

export function readInsert(
  cursor: PayloadCursor,
  xid: number | null,
  relations: RelationCache,
): InsertMessage {
  const relation = relations.get(cursor.uint32(), cursor)
  expectNew(cursor, cursor.uint8())
  return { kind: 'insert', lsn: cursor.lsn, xid, relation, new: readTuple(cursor, relation, false) }
}

export function readUpdate(
  cursor: PayloadCursor,
  xid: number | null,
  relations: RelationCache,
): UpdateMessage {
  const relation = relations.get(cursor.uint32(), cursor)
  let key: Tuple | null = null
  let old: Tuple | null = null
  let part = cursor.uint8()
  if (part === KEY || part === OLD) {
    const tuple = readTuple(cursor, relation, part === KEY)
    if (part === KEY) key = tuple
    else old = tuple
    part = cursor.uint8()
  }
  expectNew(cursor, part)
  const row = readTuple(cursor, relation, false)
  return { kind: 'update', lsn: cursor.lsn, xid, relation, key, old, new: row }
}

export function readDelete(
  cursor: PayloadCursor,
  xid: number | null,
  relations: RelationCache,
): DeleteMessage {
  const relation = relations.get(cursor.uint32(), cursor)
  const part = cursor.uint8()
  if (part !== KEY && part !== OLD) cursor.fail('neither a key nor an old row', cursor.offset - 1)
  const tuple = readTuple(cursor, relation, part === KEY)
  return {
    kind: 'delete',
    lsn: cursor.lsn,
    xid,
    relation,
    key: part === KEY ? tuple : null,
    old: part === OLD ? tuple : null,
  }
}

export function readTruncate(
  cursor: PayloadCursor,
  xid: number | null,
  relations: RelationCache,
): TruncateMessage {
  const count = cursor.uint32()
  const flags = cursor.uint8()
  // Before room is made for them: the count is not to be believed.
  if (count * 4 > cursor.remaining)
    cursor.fail(`${count} relations announced, ${cursor.remaining} bytes left,`)
  const list = Array.from({ length: count }, () => relations.get(cursor.uint32(), cursor))
  return {
    kind: 'truncate',
    lsn: cursor.lsn,
    xid,
    relations: list,
    cascade: (flags & 1) !== 0,
    restartIdentity: (flags & 2) !== 0,
  }
}

export function readLogicalMessage(cursor: PayloadCursor, xid: number | null): LogicalMessage {
  const flags = cursor.uint8()
  const messageLsn = cursor.position()
  const prefix = cursor.text()
  const content = cursor.view(cursor.int32())
  const transactional = (flags & 1) !== 0
  return { kind: 'message', lsn: cursor.lsn, xid, transactional, messageLsn, prefix, content }
}

export function readType(cursor: PayloadCursor, xid: number | null): TypeMessage {
  const oid = cursor.uint32()
  const schema = cursor.text() || 'pg_catalog'
  return { kind: 'type', lsn: cursor.lsn, xid, oid, schema, name: cursor.text() }
}

function expectNew(cursor: PayloadCursor, part: number): void {
  if (part !== NEW) cursor.fail('no new row', cursor.offset - 1)
}
