/** Messages read through the library, and compared with the server's own files. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import {
  formatLsn,
  type Lsn,
  lsnAdd,
  PhysicalReplicationConnection,
  parseLsn,
  type ReplicationMessage,
  segmentFileName,
  segmentFloor,
} from '../../src/index.js'
import { SEGMENT_SIZE } from './test-server.js'

/** A connection that is closed when the test is over. */
export async function connectTo(dsn: string, passfile?: string): Promise<PhysicalReplicationConnection> {
  const connection = await PhysicalReplicationConnection.connect({ dsn, passfile })
  onTestFinished(() => connection.close())
  return connection
}

export async function currentLsn(server: PostgresServer): Promise<Lsn> {
  return parseLsn(await server.value('SELECT pg_current_wal_flush_lsn()'))
}

/** Where the server's current segment starts. */
export async function currentSegment(server: PostgresServer): Promise<Lsn> {
  return segmentFloor(await currentLsn(server), SEGMENT_SIZE)
}

/** Reads on until the stream has come to `end`; fails at a gap or an overlap. */
export async function readTo(
  end: Lsn,
  connection: PhysicalReplicationConnection,
): Promise<ReplicationMessage[]> {
  const messages: ReplicationMessage[] = []
  for (;;) {
    const message = await connection.readReplicationMessage({ timeoutMs: 10_000 })
    if (message === null) throw new Error(`nothing more came before ${formatLsn(end)}`)
    expect(message.dataStart).toBe(messages.at(-1)?.dataEnd ?? message.dataStart)
    messages.push(message)
    if (message.dataEnd >= end) return messages
  }
}

/** Compares the messages' bytes with the server's files, long after the messages were handed out. */
export async function expectServersBytes(
  messages: readonly ReplicationMessage[],
  server: PostgresServer,
  timeline = 1,
): Promise<void> {
  const received = Buffer.concat(messages.map(({ bytes }) => bytes))
  for (let offset = 0; offset < received.length; ) {
    const lsn = lsnAdd(messages[0]!.dataStart, offset)
    const start = Number(lsn - segmentFloor(lsn, SEGMENT_SIZE))
    const length = Math.min(SEGMENT_SIZE - start, received.length - offset)
    const name = segmentFileName(timeline, lsn / BigInt(SEGMENT_SIZE), SEGMENT_SIZE)
    const served = (await readFile(join(server.walDirectory, name))).subarray(start, start + length)
    expect([name, served.equals(received.subarray(offset, offset + length))]).toEqual([name, true])
    offset += length
  }
}
