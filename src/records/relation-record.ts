import { MainDataReader, type RelationFile } from './main-data-reader.js'
import { RM_DATABASE, RM_HEAP, RM_LOGICAL_MESSAGE, RM_RELATION_MAP, RM_STORAGE } from './record-format.js'
import { majorOfPageMagic } from './server-version.js'
import type { WalRecord } from './wal-record.js'

/** Records that are about whole relations or databases, or about none: their blocks do not say which. */
export type RelationRecord =
  | { readonly kind: 'file-created'; readonly file: RelationFile; readonly fork: number }
  | { readonly kind: 'file-truncated'; readonly file: RelationFile; readonly blocks: number }
  /** Written for logical decoding only. */
  | { readonly kind: 'truncate'; readonly database: number; readonly relations: readonly number[] }
  | { readonly kind: 'relation-map'; readonly database: number; readonly tablespace: number }
  | { readonly kind: 'database-dropped'; readonly database: number }
  | {
      readonly kind: 'message'
      readonly database: number
      readonly transactional: boolean
      readonly prefix: string
      /** bytes */
      readonly length: number
    }

const FILE_CREATED = 0x10
const FILE_TRUNCATED = 0x20
const HEAP_OPERATION_MASK = 0x70
const HEAP_TRUNCATE = 0x30

/**
 * PostgreSQL: src/include/catalog/storage_xlog.h, access/heapam_xlog.h, utils/relmapper.h,
 * commands/dbcommands_xlog.h, replication/message.h.
 *
 * @returns null for any other record
 * @throws RangeError when it makes no sense
 */
export function parseRelationRecord(record: WalRecord): RelationRecord | null {
  const { resourceManagerId, operation } = record
  switch (resourceManagerId) {
    case RM_STORAGE: {
      const data = new MainDataReader(record)
      if (operation === FILE_CREATED)
        return { kind: 'file-created', file: data.relationFile(), fork: data.uint32() }
      if (operation !== FILE_TRUNCATED) return null
      const blocks = data.uint32()
      return { kind: 'file-truncated', file: data.relationFile(), blocks }
    }
    case RM_HEAP: {
      if ((operation & HEAP_OPERATION_MASK) !== HEAP_TRUNCATE) return null
      const data = new MainDataReader(record)
      const database = data.uint32()
      const count = data.uint32()
      data.skip(4)
      const relations = data.list(count, 4, () => data.uint32())
      return { kind: 'truncate', database, relations }
    }
    case RM_RELATION_MAP: {
      const data = new MainDataReader(record)
      return { kind: 'relation-map', database: data.uint32(), tablespace: data.uint32() }
    }
    case RM_DATABASE: {
      // 15 put a second way to create a database in between.
      const dropped = (majorOfPageMagic(record.magic) ?? 0) >= 15 ? 0x20 : 0x10
      if (operation !== dropped) return null
      return { kind: 'database-dropped', database: new MainDataReader(record).uint32() }
    }
    case RM_LOGICAL_MESSAGE: {
      const data = new MainDataReader(record)
      const database = data.uint32()
      const transactional = data.uint8() !== 0
      data.skip(3 + 8)
      const length = Number(data.uint64())
      return { kind: 'message', database, transactional, prefix: data.text(), length }
    }
    default:
      return null
  }
}
