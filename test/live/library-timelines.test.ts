/** The library on the history of a promoted server: old timelines, their ends, the way between them. */
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { type Lsn, lsnAdd, parseLsn, type ReplicationMessage, segmentFloor } from '../../src/index.js'
import { connectTo, currentLsn, expectServersBytes, readTo } from './read-messages.js'
import { launchTestServer, MAJOR, SEGMENT_SIZE, writeWal } from './test-server.js'

/** In a latin1 cluster this stands in WAL and history as bytes that are no UTF-8. */
const RESTORE_POINT = 'caf\u00e9'

describe(`timelines of PostgreSQL ${MAJOR}`, () => {
  let first: PostgresServer
  let server: PostgresServer
  /** Where timeline 1 ended and timeline 2 began. */
  let fork: Lsn

  beforeAll(async () => {
    first = await launchTestServer({ initdbArgs: ['-E', 'LATIN1'] })
    await first.stop()
    const copy = join(first.root, 'copy')
    await first.coldCopy(copy)
    await first.start()
    await writeWal(first, 1.5 * SEGMENT_SIZE)
    await first.query('SELECT pg_create_restore_point($1)', [RESTORE_POINT])
    await first.query('SELECT pg_switch_wal()')
    await first.stop()

    server = await PostgresServer.create({ major: MAJOR, dataDirectory: copy })
    const restore = `cp "${first.walDirectory}/%f" "%p"`
    await server.recover({ restore_command: restore, recovery_target_action: 'promote' }, 'promotion')
    const file = join(server.dataDirectory, MAJOR >= 12 ? 'postgresql.conf' : 'recovery.conf')
    await appendFile(file, Buffer.from(`recovery_target_name = '${RESTORE_POINT}'\n`, 'latin1'))
    await server.start()
    await waitFor('the end of recovery', async () => {
      return (await server.value('SELECT pg_is_in_recovery()')) === 'false'
    })
    await writeWal(server, SEGMENT_SIZE)
    const history = await readFile(join(server.walDirectory, '00000002.history'), 'latin1')
    fork = parseLsn(/^1\t(\S+)\t/m.exec(history)![1]!)
  })
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await first?.[Symbol.asyncDispose]()
  })

  it('the history comes byte for byte, whatever encoding its names are in', async () => {
    const connection = await connectTo(server.dsn)
    const { fileName, content } = await connection.timelineHistory(2)
    expect(fileName).toBe('00000002.history')
    expect(content).toEqual(await readFile(join(server.walDirectory, fileName)))
    expect(content.includes(Buffer.from(RESTORE_POINT, 'latin1'))).toBe(true)
  })

  it('an old one ends with a value, and the same connection goes on with the next', async () => {
    const connection = await connectTo(server.dsn)
    const startLsn = lsnAdd(segmentFloor(fork, SEGMENT_SIZE), -SEGMENT_SIZE)
    await connection.startReplication({ startLsn, timeline: 1 })
    const messages: ReplicationMessage[] = []
    for await (const message of connection) messages.push(message)
    expect(messages[0]!.dataStart).toBe(startLsn)
    expect(messages.at(-1)!.dataEnd).toBe(fork)
    await expectServersBytes(messages, first)
    const end = { reason: 'timeline', nextTimeline: 2, nextTimelineStart: fork }
    expect(connection.endOfStream).toEqual(end)

    expect(
      await connection.startReplication({ startLsn: segmentFloor(fork, SEGMENT_SIZE), timeline: 2 }),
    ).toMatchObject({
      kind: 'streaming',
    })
    await expectServersBytes(await readTo(await currentLsn(server), connection), server, 2)
    await connection.stopReplication()

    // Exactly where it ends there is nothing to stream, and the same value says so.
    expect(await connection.startReplication({ startLsn: fork, timeline: 1 })).toEqual({ kind: 'ended', end })
    expect(await connection.identifySystem()).toMatchObject({ timeline: 2 })
  })

  it('beyond its end an old one is refused, and the connection goes on', async () => {
    const connection = await connectTo(server.dsn)
    const startLsn = lsnAdd(segmentFloor(fork, SEGMENT_SIZE), SEGMENT_SIZE)
    const refused = connection.startReplication({ startLsn, timeline: 1 })
    await expect(refused).rejects.toMatchObject({ sqlState: 'XX000', routine: 'StartReplication' })
    expect(await connection.identifySystem()).toMatchObject({ timeline: 2 })
  })
})
