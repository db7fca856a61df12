import { serialize } from 'pg-protocol'
import { dateToPgTime, type Lsn } from '../wal/index.js'
import { UsageError } from './errors.js'

/**
 * Frames that the client sends after start-up.
 *
 * pg-protocol's writer is shared by the whole process and keeps left-over bytes when it
 * throws, so every text is checked here before it gets near it.
 */

/** @throws UsageError for text with a NUL byte, which would end the query early on the wire */
export function queryFrame(sql: string): Buffer {
  if (sql.includes('\0')) throw new UsageError('a command must not contain a NUL byte')
  return serialize.query(sql)
}

export function copyDoneFrame(): Buffer {
  return serialize.copyDone()
}

export function terminateFrame(): Buffer {
  return serialize.end()
}

/** A CancelRequest, sent in place of a start-up packet. PostgreSQL chapter 54.7. */
export function cancelFrame(backendPid: number, backendKey: Buffer): Buffer {
  const frame = Buffer.alloc(12 + backendKey.length)
  frame.writeUInt32BE(frame.length, 0)
  frame.writeUInt32BE(80877102, 4)
  frame.writeInt32BE(backendPid, 8)
  backendKey.copy(frame, 12)
  return frame
}

/** What a standby status update says. PostgreSQL chapter 54.4, "Standby status update". */
export interface StandbyStatus {
  readonly write: Lsn
  readonly flush: Lsn
  readonly apply: Lsn
  readonly replyRequested: boolean
}

/** A standby status update in its CopyData frame: 39 bytes, a fresh buffer each time. */
export function standbyStatusFrame(status: StandbyStatus, now: Date = new Date()): Buffer {
  const frame = Buffer.allocUnsafe(39)
  frame[0] = 0x64 // CopyData
  // Each synchronous commit waits for one of these, and a DataView writes 64 bits several times as fast as a Buffer.
  const view = new DataView(frame.buffer, frame.byteOffset, 39)
  view.setUint32(1, 38)
  frame[5] = 0x72 // 'r'
  view.setBigUint64(6, status.write)
  view.setBigUint64(14, status.flush)
  view.setBigUint64(22, status.apply)
  view.setBigInt64(30, dateToPgTime(now))
  frame[38] = status.replyRequested ? 1 : 0
  return frame
}
