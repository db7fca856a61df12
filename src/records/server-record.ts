import type { Lsn } from '../wal/index.js'
import { MainDataReader } from './main-data-reader.js'
import { RM_STANDBY, RM_XLOG, XLOG_SWITCH } from './record-format.js'
import type { WalRecord } from './wal-record.js'

/** What the server itself writes down. Times are microseconds since 2000-01-01 UTC. */
export type ServerRecord =
  | { readonly kind: 'restore-point'; readonly name: string; readonly time: bigint }
  | Checkpoint
  | {
      readonly kind: 'end-of-recovery'
      readonly timeline: number
      readonly previousTimeline: number
      readonly time: bigint
    }
  | { readonly kind: 'switch' }
  | {
      readonly kind: 'parameter-change'
      readonly maxConnections: number
      readonly maxWorkerProcesses: number
      readonly maxWalSenders: number
      readonly maxPreparedTransactions: number
      readonly maxLocksPerTransaction: number
      /** 0 minimal, 1 replica, 2 logical */
      readonly walLevel: number
      readonly walLogHints: boolean
      readonly trackCommitTimestamp: boolean
    }
  | {
      readonly kind: 'running-transactions'
      readonly nextXid: number
      readonly oldestRunningXid: number
      readonly latestCompletedXid: number
      readonly xids: readonly number[]
    }

export interface Checkpoint {
  readonly kind: 'checkpoint'
  readonly shutdown: boolean
  /** Where a recovery from it begins. */
  readonly redo: Lsn
  readonly timeline: number
  readonly previousTimeline: number
  readonly fullPageWrites: boolean
  /** The lower half of it is the transaction id. */
  readonly nextFullXid: bigint
  readonly time: bigint
}

const CHECKPOINT_SHUTDOWN = 0x00
const CHECKPOINT_ONLINE = 0x10
const PARAMETER_CHANGE = 0x60
const RESTORE_POINT = 0x70
const END_OF_RECOVERY = 0x90
const RUNNING_TRANSACTIONS = 0x10

/** A checkpoint's time is in seconds since 1970, all others in microseconds since 2000. */
const PG_EPOCH_UNIX_S = 946_684_800n

/**
 * Reads a record that the server writes about itself.
 * PostgreSQL: src/include/access/xlog_internal.h, catalog/pg_control.h, storage/standbydefs.h.
 *
 * @returns null for any other record
 * @throws RangeError when it makes no sense
 */
export function parseServerRecord(record: WalRecord): ServerRecord | null {
  const { resourceManagerId, operation } = record
  if (resourceManagerId === RM_STANDBY)
    return operation === RUNNING_TRANSACTIONS ? runningTransactions(new MainDataReader(record)) : null
  if (resourceManagerId !== RM_XLOG) return null
  switch (operation) {
    case CHECKPOINT_SHUTDOWN:
    case CHECKPOINT_ONLINE:
      return checkpoint(new MainDataReader(record), operation === CHECKPOINT_SHUTDOWN)
    case XLOG_SWITCH:
      return { kind: 'switch' }
    case PARAMETER_CHANGE:
      return parameterChange(new MainDataReader(record))
    case RESTORE_POINT: {
      const data = new MainDataReader(record)
      const time = data.time()
      return { kind: 'restore-point', name: data.text(), time }
    }
    case END_OF_RECOVERY: {
      const data = new MainDataReader(record)
      const time = data.time()
      return { kind: 'end-of-recovery', time, timeline: data.uint32(), previousTimeline: data.uint32() }
    }
    default:
      return null
  }
}

function checkpoint(data: MainDataReader, shutdown: boolean): Checkpoint {
  const redo = data.uint64() as Lsn
  const timeline = data.uint32()
  const previousTimeline = data.uint32()
  const fullPageWrites = data.uint8() !== 0
  // Padding, which holds the wal_level since 18.
  data.skip(7)
  const nextFullXid = data.uint64()
  data.skip(7 * 4)
  data.align()
  const time = (data.time() - PG_EPOCH_UNIX_S) * 1_000_000n
  return { kind: 'checkpoint', shutdown, redo, timeline, previousTimeline, fullPageWrites, nextFullXid, time }
}

function parameterChange(data: MainDataReader): ServerRecord {
  return {
    kind: 'parameter-change',
    maxConnections: data.uint32(),
    maxWorkerProcesses: data.uint32(),
    maxWalSenders: data.uint32(),
    maxPreparedTransactions: data.uint32(),
    maxLocksPerTransaction: data.uint32(),
    walLevel: data.uint32(),
    walLogHints: data.uint8() !== 0,
    trackCommitTimestamp: data.uint8() !== 0,
  }
}

function runningTransactions(data: MainDataReader): ServerRecord {
  const count = data.uint32()
  const subtransactionCount = data.uint32()
  data.skip(4)
  return {
    kind: 'running-transactions',
    nextXid: data.uint32(),
    oldestRunningXid: data.uint32(),
    latestCompletedXid: data.uint32(),
    xids: data.list(count + subtransactionCount, 4, () => data.uint32()),
  }
}
