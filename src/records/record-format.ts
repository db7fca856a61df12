/**
 * Constants of the record format that did not change from PostgreSQL 10 to 18.
 * PostgreSQL: src/include/access/xlogrecord.h, rmgrlist.h, catalog/pg_control.h.
 */

/** Bytes of a record's header; its checksum is the last four of them. */
export const RECORD_HEADER_SIZE = 24
/** Offset of the checksum in the header: what stands before it is covered, after the record's body. */
export const RECORD_CRC_OFFSET = 20
/** Records begin at multiples of this, and what lies between is zero. */
export const RECORD_ALIGNMENT = 8
/** Longest record: XLogRecordMaxSize since 16; older servers could not allocate more than 1 GB to read one. */
export const MAX_RECORD_SIZE = 0x3fff_ffff

/** `xl_info`: the upper half belongs to the resource manager. */
export const RESOURCE_MANAGER_INFO_MASK = 0xf0

export const RM_XLOG = 0
export const RM_TRANSACTION = 1
export const RM_STORAGE = 2
export const RM_DATABASE = 4
export const RM_RELATION_MAP = 7
export const RM_STANDBY = 8
export const RM_HEAP2 = 9
export const RM_HEAP = 10
export const RM_LOGICAL_MESSAGE = 21
export const XLOG_SWITCH = 0x40
export const XLOG_OVERWRITE_CONTRECORD = 0xd0

/** Resource managers of the server itself, by id; their names are those that pg_waldump prints. */
export const RESOURCE_MANAGERS: readonly string[] = [
  'XLOG',
  'Transaction',
  'Storage',
  'CLOG',
  'Database',
  'Tablespace',
  'MultiXact',
  'RelMap',
  'Standby',
  'Heap2',
  'Heap',
  'Btree',
  'Hash',
  'Gin',
  'Gist',
  'Sequence',
  'SPGist',
  'BRIN',
  'CommitTs',
  'ReplicationOrigin',
  'Generic',
  'LogicalMessage',
]

/** From 15 on extensions may have managers of their own, from this id up. */
export const FIRST_CUSTOM_RESOURCE_MANAGER = 128
const FIRST_MAGIC_WITH_CUSTOM_MANAGERS = 0xd110

/** @param magic of the page the record is on */
export function isValidResourceManager(id: number, magic: number): boolean {
  if (id < RESOURCE_MANAGERS.length) return true
  return id >= FIRST_CUSTOM_RESOURCE_MANAGER && magic >= FIRST_MAGIC_WITH_CUSTOM_MANAGERS
}

/** The name pg_waldump prints: `custom128` and so on for an extension's. */
export function resourceManagerName(id: number): string {
  return RESOURCE_MANAGERS[id] ?? `custom${id.toString().padStart(3, '0')}`
}
