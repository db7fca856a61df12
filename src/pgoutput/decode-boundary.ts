import { pgTimeToDate } from '../wal/index.js'
import type {
  BeginMessage,
  BeginPrepareMessage,
  CommitMessage,
  CommitPreparedMessage,
  OriginMessage,
  PrepareMessage,
  RollbackPreparedMessage,
  StreamAbortMessage,
  StreamCommitMessage,
  StreamPrepareMessage,
  StreamStartMessage,
} from './messages.js'
import type { PayloadCursor } from './payload-cursor.js'

/** The messages that begin and end transactions: from after their type byte to their end. */

export function readBegin(cursor: PayloadCursor): BeginMessage {
  const finalLsn = cursor.position()
  const commitTimeMicros = cursor.time()
  const commitTime = pgTimeToDate(commitTimeMicros)
  return { kind: 'begin', lsn: cursor.lsn, finalLsn, commitTime, commitTimeMicros, xid: cursor.uint32() }
}

export function readCommit(cursor: PayloadCursor): CommitMessage {
  return { kind: 'commit', lsn: cursor.lsn, ...readCommitFields(cursor) }
}

export function readOrigin(cursor: PayloadCursor): OriginMessage {
  return { kind: 'origin', lsn: cursor.lsn, originLsn: cursor.position(), name: cursor.text() }
}

export function readStreamStart(cursor: PayloadCursor): StreamStartMessage {
  return { kind: 'stream start', lsn: cursor.lsn, xid: cursor.uint32(), first: cursor.uint8() === 1 }
}

export function readStreamCommit(cursor: PayloadCursor): StreamCommitMessage {
  return { kind: 'stream commit', lsn: cursor.lsn, xid: cursor.uint32(), ...readCommitFields(cursor) }
}

export function readStreamAbort(cursor: PayloadCursor): StreamAbortMessage {
  const xid = cursor.uint32()
  const subxid = cursor.uint32()
  // Only the client's options say whether these two follow; the server sends both or neither.
  const told = cursor.remaining > 0
  const abortLsn = told ? cursor.position() : null
  const abortTimeMicros = told ? cursor.time() : null
  const abortTime = abortTimeMicros === null ? null : pgTimeToDate(abortTimeMicros)
  return { kind: 'stream abort', lsn: cursor.lsn, xid, subxid, abortLsn, abortTime, abortTimeMicros }
}

export function readBeginPrepare(cursor: PayloadCursor): BeginPrepareMessage {
  return { kind: 'begin prepare', lsn: cursor.lsn, ...readPrepareFields(cursor) }
}

export function readPrepare(cursor: PayloadCursor): PrepareMessage {
  skipFlags(cursor)
  return { kind: 'prepare', lsn: cursor.lsn, ...readPrepareFields(cursor) }
}

export function readStreamPrepare(cursor: PayloadCursor): StreamPrepareMessage {
  skipFlags(cursor)
  return { kind: 'stream prepare', lsn: cursor.lsn, ...readPrepareFields(cursor) }
}

export function readCommitPrepared(cursor: PayloadCursor): CommitPreparedMessage {
  const fields = readCommitFields(cursor)
  return { kind: 'commit prepared', lsn: cursor.lsn, ...fields, xid: cursor.uint32(), gid: cursor.text() }
}

export function readRollbackPrepared(cursor: PayloadCursor): RollbackPreparedMessage {
  skipFlags(cursor)
  const prepareEndLsn = cursor.position()
  const endLsn = cursor.position()
  const prepareTimeMicros = cursor.time()
  const rollbackTimeMicros = cursor.time()
  return {
    kind: 'rollback prepared',
    lsn: cursor.lsn,
    prepareEndLsn,
    endLsn,
    prepareTime: pgTimeToDate(prepareTimeMicros),
    prepareTimeMicros,
    rollbackTime: pgTimeToDate(rollbackTimeMicros),
    rollbackTimeMicros,
    xid: cursor.uint32(),
    gid: cursor.text(),
  }
}

/** There for use in future versions; 0 in all known ones. */
function skipFlags(cursor: PayloadCursor): void {
  const flags = cursor.uint8()
  if (flags !== 0) cursor.fail(`unknown flags ${flags}`, cursor.offset - 1)
}

function readCommitFields(cursor: PayloadCursor) {
  skipFlags(cursor)
  const commitLsn = cursor.position()
  const endLsn = cursor.position()
  const commitTimeMicros = cursor.time()
  return { commitLsn, endLsn, commitTime: pgTimeToDate(commitTimeMicros), commitTimeMicros }
}

function readPrepareFields(cursor: PayloadCursor) {
  const prepareLsn = cursor.position()
  const endLsn = cursor.position()
  const prepareTimeMicros = cursor.time()
  const prepareTime = pgTimeToDate(prepareTimeMicros)
  return { prepareLsn, endLsn, prepareTime, prepareTimeMicros, xid: cursor.uint32(), gid: cursor.text() }
}
