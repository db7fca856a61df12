import { RM_HEAP, RM_HEAP2, RM_STORAGE, RM_TRANSACTION, RM_XLOG } from './record-format.js'
import { majorOfPageMagic } from './server-version.js'
import type { WalRecord } from './wal-record.js'

/**
 * Names of operations as pg_waldump prints them, for the resource managers whose operations tell a person what was
 * done to a table.
 * PostgreSQL: src/backend/access/rmgrdesc/ (heapdesc.c, xactdesc.c, xlogdesc.c, smgrdesc.c) of 13 to 18.
 */
const HEAP = ['INSERT', 'DELETE', 'UPDATE', 'TRUNCATE', 'HOT_UPDATE', 'HEAP_CONFIRM', 'LOCK', 'INPLACE']
const HEAP2_13 = ['REWRITE', 'CLEAN', 'FREEZE_PAGE', 'CLEANUP_INFO']
const HEAP2_14 = ['REWRITE', 'PRUNE', 'VACUUM', 'FREEZE_PAGE']
const HEAP2_17 = ['REWRITE', 'PRUNE_ON_ACCESS', 'PRUNE_VACUUM_SCAN', 'PRUNE_VACUUM_CLEANUP']
const HEAP2_REST = ['VISIBLE', 'MULTI_INSERT', 'LOCK_UPDATED', 'NEW_CID']
const TRANSACTION = [
  'COMMIT',
  'PREPARE',
  'ABORT',
  'COMMIT_PREPARED',
  'ABORT_PREPARED',
  'ASSIGNMENT',
  'INVALIDATION',
]
const XLOG = [
  'CHECKPOINT_SHUTDOWN',
  'CHECKPOINT_ONLINE',
  'NOOP',
  'NEXTOID',
  'SWITCH',
  'BACKUP_END',
  'PARAMETER_CHANGE',
  'RESTORE_POINT',
  'FPW_CHANGE',
  'END_OF_RECOVERY',
  'FPI_FOR_HINT',
  'FPI',
  undefined,
  'OVERWRITE_CONTRECORD',
  'CHECKPOINT_REDO',
]

const OPERATION_MASK = 0x70
/** The uppermost bit of a heap operation: the page is made anew. */
const INIT_PAGE = 0x80

/**
 * What a record does: `HOT_UPDATE`, `COMMIT`.
 *
 * @returns null for a resource manager or operation that has no name here
 */
export function operationName(record: WalRecord): string | null {
  const { info, operation } = record
  switch (record.resourceManagerId) {
    case RM_HEAP:
      return named(HEAP[(info & OPERATION_MASK) >> 4], info)
    case RM_HEAP2:
      return named(heap2(record), info)
    case RM_TRANSACTION:
      return TRANSACTION[(info & OPERATION_MASK) >> 4] ?? null
    case RM_XLOG:
      return XLOG[operation >> 4] ?? null
    case RM_STORAGE:
      return ['CREATE', 'TRUNCATE'][(operation >> 4) - 1] ?? null
    default:
      return null
  }
}

function named(name: string | undefined, info: number): string | null {
  return name === undefined ? null : name + ((info & INIT_PAGE) === 0 ? '' : '+INIT')
}

function heap2({ info, magic }: WalRecord): string | undefined {
  const index = (info & OPERATION_MASK) >> 4
  const major = majorOfPageMagic(magic) ?? 0
  const first = major >= 17 ? HEAP2_17 : major >= 14 ? HEAP2_14 : HEAP2_13
  return index < 4 ? first[index] : HEAP2_REST[index - 4]
}
