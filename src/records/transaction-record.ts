import { MainDataReader, type RelationFile } from './main-data-reader.js'
import { RM_TRANSACTION } from './record-format.js'
import { majorOfPageMagic } from './server-version.js'
import type { WalRecord } from './wal-record.js'

/** The end of a transaction, or its being prepared. */
export interface TransactionRecord {
  readonly kind: 'commit' | 'abort' | 'prepare' | 'commit-prepared' | 'abort-prepared'
  /** The transaction that ends: not always the one the record is written by. */
  readonly xid: number
  /** microseconds since 2000-01-01 UTC */
  readonly time: bigint
  /** OID; 0 where the record does not say. */
  readonly database: number
  readonly subtransactions: readonly number[]
  /** Files that go with the transaction's end: of dropped tables and indexes, and those that a rewrite left. */
  readonly droppedFiles: readonly RelationFile[]
  /** OIDs of dropped tables and indexes; servers before 15 do not write them. */
  readonly droppedRelations: readonly number[]
  /** OIDs of relations whose definition or files changed. */
  readonly changedRelations: readonly number[]
  /** Name of a prepared transaction. */
  readonly gid: string | null
}

const KINDS: Readonly<Record<number, TransactionRecord['kind']>> = {
  0: 'commit',
  16: 'prepare',
  32: 'abort',
  48: 'commit-prepared',
  64: 'abort-prepared',
}
/** The uppermost bit of the operation says that more follows. */
const OPERATION_MASK = 0x70
const HAS_INFO = 0x80

const HAS_DATABASE = 1 << 0
const HAS_SUBTRANSACTIONS = 1 << 1
const HAS_DROPPED_FILES = 1 << 2
const HAS_INVALIDATIONS = 1 << 3
const HAS_PREPARED = 1 << 4
const HAS_GID = 1 << 7
const HAS_DROPPED_STATISTICS = 1 << 8

/** pg_stat's kind of a relation: src/include/utils/pgstat_kind.h (15 to 18). */
const STATISTICS_OF_RELATION = 2
/** Kinds of invalidation messages below zero; from zero up they are of a system cache. */
const INVALIDATES_RELATION = 0xfe
const INVALIDATION_SIZE = 16

/**
 * Reads a record of the transaction manager.
 * PostgreSQL: src/include/access/xact.h, src/backend/access/rmgrdesc/xactdesc.c (ParseCommitRecord).
 *
 * @returns null for one that ends nothing
 * @throws RangeError when it makes no sense
 */
export function parseTransaction(record: WalRecord): TransactionRecord | null {
  if (record.resourceManagerId !== RM_TRANSACTION) return null
  const kind = KINDS[record.info & OPERATION_MASK]
  if (kind === undefined) return null
  const data = new MainDataReader(record)
  const major = majorOfPageMagic(record.magic) ?? 0
  if (kind === 'prepare') return parsePrepare(data, major)
  const time = data.time()
  const has = (record.info & HAS_INFO) === 0 ? 0 : data.uint32()
  const isCommit = kind === 'commit' || kind === 'commit-prepared'
  const database = (has & HAS_DATABASE) === 0 ? 0 : data.uint32()
  if ((has & HAS_DATABASE) !== 0) data.skip(4)
  const subtransactions = listIf(has & HAS_SUBTRANSACTIONS, data, () => data.uint32())
  const droppedFiles = listIf(has & HAS_DROPPED_FILES, data, () => data.relationFile())
  const droppedRelations = listIf(has & HAS_DROPPED_STATISTICS, data, () => droppedRelation(data, major))
  const changed = isCommit ? listIf(has & HAS_INVALIDATIONS, data, () => invalidatedRelation(data)) : []
  const xid = (has & HAS_PREPARED) === 0 ? record.xid : data.uint32()
  const gid = (has & HAS_PREPARED) !== 0 && (has & HAS_GID) !== 0 ? data.text() : null
  return {
    kind,
    xid,
    time,
    database,
    subtransactions,
    droppedFiles,
    droppedRelations: droppedRelations.filter((oid) => oid !== 0),
    changedRelations: [...new Set(changed.filter((oid) => oid !== 0))],
    gid,
  }
}

/** PostgreSQL: src/include/access/xact.h (xl_xact_prepare). Its lists count at the commit, which repeats them. */
function parsePrepare(data: MainDataReader, major: number): TransactionRecord {
  data.skip(8)
  const xid = data.uint32()
  const database = data.uint32()
  const time = data.time()
  // Owner and the lengths of the lists: subtransactions, files of a commit and of an abort, messages; from 15 on
  // statistics of a commit and of an abort too.
  data.skip(4)
  const subtransactionCount = data.uint32()
  data.skip(major >= 15 ? 20 : 12)
  data.skip(2)
  data.skip(2)
  data.skip(16)
  const gid = data.text()
  data.align()
  const subtransactions = data.list(subtransactionCount, 4, () => data.uint32())
  return {
    kind: 'prepare',
    xid,
    time,
    database,
    subtransactions,
    droppedFiles: [],
    droppedRelations: [],
    changedRelations: [],
    gid,
  }
}

function listIf<T>(isThere: number, data: MainDataReader, read: () => T): T[] {
  if (isThere === 0) return []
  const count = data.uint32()
  const list: T[] = []
  for (let i = 0; i < count; i++) list.push(read())
  return list
}

/** @returns 0 when the statistics are not those of a relation */
function droppedRelation(data: MainDataReader, major: number): number {
  const kind = data.uint32()
  data.skip(4)
  const oid = data.uint32()
  // 18 has room for 64 bits.
  if (major >= 18) data.skip(4)
  return kind === STATISTICS_OF_RELATION ? oid : 0
}

/** PostgreSQL: src/include/storage/sinval.h. @returns 0 for another kind of message */
function invalidatedRelation(data: MainDataReader): number {
  const kind = data.uint8()
  data.skip(7)
  const oid = data.uint32()
  data.skip(INVALIDATION_SIZE - 12)
  return kind === INVALIDATES_RELATION ? oid : 0
}
