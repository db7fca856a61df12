import { INVALID_LSN, type Lsn } from '../wal/index.js'
import {
  readBegin,
  readBeginPrepare,
  readCommit,
  readCommitPrepared,
  readOrigin,
  readPrepare,
  readRollbackPrepared,
  readStreamAbort,
  readStreamCommit,
  readStreamPrepare,
  readStreamStart,
} from './decode-boundary.js'
import {
  readDelete,
  readInsert,
  readLogicalMessage,
  readTruncate,
  readType,
  readUpdate,
} from './decode-change.js'
import type { PgoutputMessage } from './messages.js'
import { PayloadCursor } from './payload-cursor.js'
import { readRelation } from './relation.js'
import { RelationCache } from './relation-cache.js'

/** The types that can come between Stream Start and Stream Stop, the latter included. */
const WITHIN_STREAM: ReadonlySet<number> = new Set(Buffer.from('IUDTMRYOE'))

/** After what an Origin can come. */
const BEGINS: ReadonlySet<PgoutputMessage['kind']> = new Set(['begin', 'begin prepare', 'stream start'])

/**
 * Turns the payloads of one stream of pgoutput into messages, for protocol versions 1 to 4.
 *
 * The decoder keeps what the stream has told of tables and types, so that each stream (each
 * START_REPLICATION) needs a new one, from its first payload on. A payload is read once, to its
 * end, and nothing is read beyond it; values of rows are made only when they are asked for. Messages
 * hold on to their payload, which must not be written to afterwards.
 */
export class PgoutputDecoder {
  readonly #cursor = new PayloadCursor()
  readonly #relations = new RelationCache()
  #streaming = false
  #previous: PgoutputMessage['kind'] | null = null

  /**
   * @param payload of one XLogData message
   * @param lsn its `dataStart`
   * @throws PgoutputError for bytes that are no message of pgoutput, or not at this place
   * @throws PgoutputMemoryError when the definitions of all tables take more than 64 MB
   */
  decode(payload: Buffer, lsn: Lsn = INVALID_LSN): PgoutputMessage {
    const cursor = this.#cursor
    cursor.reset(payload, lsn)
    const message = payload.length === 0 ? this.#readNothing() : this.#read(cursor.uint8())
    cursor.end()
    // Only a message that is right to its end may change what is known.
    this.#remember(message, payload.length)
    return message
  }

  #read(type: number): PgoutputMessage {
    const cursor = this.#cursor
    const relations = this.#relations
    if (this.#streaming && !WITHIN_STREAM.has(type)) cursor.fail('not allowed before the Stream Stop', 0)
    switch (type) {
      case 0x49: // 'I'
        return readInsert(cursor, this.#xid(), relations)
      case 0x55: // 'U'
        return readUpdate(cursor, this.#xid(), relations)
      case 0x44: // 'D'
        return readDelete(cursor, this.#xid(), relations)
      case 0x42: // 'B'
        return readBegin(cursor)
      case 0x43: // 'C'
        return readCommit(cursor)
      case 0x52: // 'R'
        return readRelation(cursor, this.#xid(), relations.types)
      case 0x59: // 'Y'
        return readType(cursor, this.#xid())
      case 0x4d: // 'M'
        return readLogicalMessage(cursor, this.#xid())
      case 0x54: // 'T'
        return readTruncate(cursor, this.#xid(), relations)
      case 0x4f: // 'O'
        return readOrigin(cursor)
      case 0x53: // 'S'
        return readStreamStart(cursor)
      case 0x45: // 'E'
        if (!this.#streaming) cursor.fail('Stream Stop without a Stream Start', 0)
        return { kind: 'stream stop', lsn: cursor.lsn }
      case 0x63: // 'c'
        return readStreamCommit(cursor)
      case 0x41: // 'A'
        return readStreamAbort(cursor)
      case 0x62: // 'b'
        return readBeginPrepare(cursor)
      case 0x50: // 'P'
        return readPrepare(cursor)
      case 0x70: // 'p'
        return readStreamPrepare(cursor)
      case 0x4b: // 'K'
        return readCommitPrepared(cursor)
      case 0x72: // 'r'
        return readRollbackPrepared(cursor)
      default:
        return cursor.fail('unknown type of message', 0)
    }
  }

  /** Servers before 14 send this in place of an Origin whose name they cannot find. */
  #readNothing(): PgoutputMessage {
    if (this.#previous === null || !BEGINS.has(this.#previous)) this.#cursor.fail('no bytes')
    return { kind: 'origin', lsn: this.#cursor.lsn, originLsn: INVALID_LSN, name: null }
  }

  #remember(message: PgoutputMessage, byteCount: number): void {
    const relations = this.#relations
    this.#previous = message.kind
    switch (message.kind) {
      case 'relation':
        relations.add(message, byteCount)
        break
      case 'type':
        relations.addType(message.oid, { schema: message.schema, name: message.name }, byteCount)
        break
      case 'stream start':
        this.#streaming = true
        relations.enter(message.xid)
        break
      case 'stream stop':
        this.#streaming = false
        relations.enter(null)
        break
      case 'stream commit':
        relations.leave(message.xid, true)
        break
      case 'stream prepare':
        relations.leave(message.xid, false)
        break
      case 'stream abort':
        if (message.xid === message.subxid) relations.leave(message.xid, false)
    }
  }

  /** Between Stream Start and Stream Stop each change says which (sub)transaction it belongs to. */
  #xid(): number | null {
    return this.#streaming ? this.#cursor.uint32() : null
  }
}
