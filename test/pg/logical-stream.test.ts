/** Logical streams against a scripted walsender: feedback, back-pressure, slow readers, ends. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  ConnectionLostError,
  LogicalReplicationConnection,
  ProtocolError,
  type ReplicationCursor,
  ReplicationEnded,
  type ReplicationMessage,
  StopReplication,
  UsageError,
} from '../../src/pg/index.js'
import * as backend from '../support/backend-frames.js'
import { ScriptedWalsender } from '../support/scripted-walsender.js'

const endOfCopy = Buffer.concat([
  backend.copyDone(),
  backend.commandComplete('COPY 0'),
  backend.commandComplete('START_REPLICATION'),
  backend.ready(),
])
const text = (lsn: bigint, payload = 'change') => backend.xlogData(lsn, Buffer.from(payload))
const pause = (durationMs: number) => new Promise((resolve) => setTimeout(resolve, durationMs))

let walsender: ScriptedWalsender
let connection: LogicalReplicationConnection
let cursor: ReplicationCursor

beforeEach(async () => {
  walsender = await ScriptedWalsender.start()
  walsender.answer('START_REPLICATION', backend.copyBoth())
  connection = await LogicalReplicationConnection.connect(walsender.options)
  cursor = connection.cursor()
})

afterEach(async () => {
  connection.destroy()
  await walsender[Symbol.asyncDispose]()
})

async function start(options = {}): Promise<void> {
  await cursor.startReplication({ slotName: 's', decode: true, ...options })
  await walsender.until(() => walsender.statuses.length === 1)
}

/** Lets the server ask, and gives what it was answered. */
async function askedFlush(walEnd: bigint): Promise<bigint> {
  const before = walsender.statuses.length
  walsender.send(backend.keepalive(walEnd, true))
  await walsender.until(() => walsender.statuses.length > before)
  return walsender.statuses.at(-1)!.flush
}

describe('messages', () => {
  it('tell positions beyond 2^53, the clock, the cursor and the size', async () => {
    await start()
    const lsn = 0xffff_fff0_1234_5678n
    const sendTime = 757_382_400_123_456n // 2024-01-01 00:00:00.123456 UTC
    walsender.send(backend.xlogData(lsn, Buffer.from('naïve'), lsn + 8n, sendTime))
    const message = await cursor.readReplicationMessage()
    expect(message).toMatchObject({
      dataStart: lsn,
      walEnd: lsn + 8n,
      dataSize: 6,
      payload: 'naïve',
      text: 'naïve',
    })
    expect(message?.sendTime.toISOString()).toBe('2024-01-01T00:00:00.123Z')
    expect(message?.sendTimeMicros).toBe(sendTime)
    expect(message?.cursor).toBe(cursor)
    expect(cursor.walEnd).toBe(lsn + 8n)
    expect(Math.abs(cursor.ioTimestamp!.getTime() - Date.now())).toBeLessThan(60_000)
    expect(Math.abs(cursor.feedbackTimestamp!.getTime() - Date.now())).toBeLessThan(60_000)
  })

  it('are bytes without decode, and text all the same when asked', async () => {
    await start({ decode: false })
    walsender.send(text(0x1000n, 'ü'))
    const message = await cursor.readMessage()
    expect(message?.payload).toEqual(Buffer.from('ü'))
    expect(message?.text).toBe('ü')
  })

  it('may be empty', async () => {
    await start()
    walsender.send(text(0x1000n, ''))
    expect((await cursor.readMessage())?.payload).toBe('')
  })

  it('stay in order and whole through a queue that fills and empties many times', async () => {
    await start({ highWaterMark: 20_000 })
    const sent = Array.from({ length: 20_000 }, (_, index) => `message ${index} ${'x'.repeat(index % 50)}`)
    for (let at = 0; at < sent.length; at += 500)
      walsender.send(
        ...sent.slice(at, at + 500).map((payload, index) => text(BigInt(at + index + 1), payload)),
      )
    const got: string[] = []
    for await (const message of cursor) {
      got.push(message.text)
      if (got.length % 700 === 0) await pause(1)
      if (got.length === sent.length) break
      if (got.length === sent.length - 1) {
        // Only now, so that the stop finds its answer.
        walsender.until(() => walsender.copyDones === 1).then(() => walsender.send(endOfCopy))
      }
    }
    expect(got).toEqual(sent)
  })
})

describe('feedback', () => {
  it('is never more than the user gave: what was only received is not acknowledged', async () => {
    await start()
    walsender.send(text(0x1000n), text(0x2000n), text(0x3000n))
    await cursor.readMessage()
    const second = await cursor.readMessage()
    expect(await askedFlush(0x4000n)).toBe(0n)
    second?.ack()
    expect(await askedFlush(0x5000n)).toBe(0x2000n)
  })

  it('follows keepalives once all is acknowledged, so that a quiet slot moves', async () => {
    await start()
    walsender.send(text(0x1000n))
    const message = await cursor.readMessage()
    expect(await askedFlush(0x2000n)).toBe(0n)
    message?.ack()
    expect(await askedFlush(0x3000n)).toBe(0x3000n)
    expect(cursor.flushLsn).toBe(0x3000n)
    // What the user said stays apart from it: that is where to resume.
    expect(connection.acknowledgedLsn).toBe(0x1000n)
  })

  it('follows nothing with advanceOnKeepalive: false', async () => {
    await start({ advanceOnKeepalive: false })
    walsender.send(text(0x1000n))
    ;(await cursor.readMessage())?.ack()
    expect(await askedFlush(0x3000n)).toBe(0x1000n)
  })

  it('takes the two signatures of psycopg2, says flushed as written, and takes nothing back', async () => {
    await start()
    walsender.send(text(0x9000n))
    await cursor.readMessage()
    cursor.sendFeedback({ flushLsn: 0x1000, appliedLsn: '0/800', reply: true })
    await walsender.until(() => walsender.statuses.length === 2)
    expect(walsender.statuses[1]).toMatchObject({
      write: 0x1000n,
      flush: 0x1000n,
      apply: 0x800n,
      replyRequested: true,
    })
    cursor.sendFeedback({ writeLsn: 0x3000n, flushLsn: 0x500n, applyLsn: 0n, force: true })
    await walsender.until(() => walsender.statuses.length === 3)
    expect(walsender.statuses[2]).toMatchObject({
      write: 0x3000n,
      flush: 0x1000n,
      apply: 0x800n,
      replyRequested: false,
    })
    cursor.sendFeedback({ flushLsn: 0x2000n })
    cursor.sendFeedback()
    await pause(20)
    expect(walsender.statuses).toHaveLength(3)
    expect(() => cursor.sendFeedback({ flushLsn: 0x9001n })).toThrow(UsageError)
  })

  it('ack of a message without a position changes nothing', async () => {
    await start()
    walsender.send(text(0n, 'relation'))
    ;(await cursor.readMessage())?.ack()
    expect(cursor.flushLsn).toBe(0n)
  })

  it('goes out before the stream is stopped: leaving loses no acknowledgement', async () => {
    await start()
    walsender.send(text(0x1000n))
    ;(await cursor.readMessage())?.ack()
    const stopped = cursor.stopReplication()
    await walsender.until(() => walsender.copyDones === 1)
    expect(walsender.statuses.at(-1)?.flush).toBe(0x1000n)
    walsender.send(endOfCopy)
    expect(await stopped).toEqual({ reason: 'client' })
  })

  it('begins anew with each stream: positions of the last one are forgotten', async () => {
    await start()
    walsender.send(text(0x1000n))
    const old = await cursor.readMessage()
    old?.ack()
    // The server breaks it off with an error that leaves the connection.
    walsender.send(backend.errorResponse({ S: 'ERROR', V: 'ERROR', C: '22023', M: 'no' }), backend.ready())
    await expect(cursor.readMessage()).rejects.toMatchObject({ sqlState: '22023' })
    const before = walsender.statuses.length
    await cursor.startReplication({ slotName: 's' })
    await walsender.until(() => walsender.statuses.length > before)
    old?.ack()
    expect(walsender.statuses.at(-1)).toMatchObject({ write: 0n, flush: 0n, apply: 0n })
    expect(cursor.flushLsn).toBe(0n)
  })
})

describe('a slow or paused user', () => {
  it('does not keep statuses and answers back', async () => {
    walsender.answer('SHOW wal_sender_timeout', backend.result(['wal_sender_timeout'], [['300ms']]))
    await start({ highWaterMark: 10 })
    walsender.send(text(0x1000n), text(0x2000n))
    let release = () => {}
    const consumed = cursor
      .consumeStream(() => new Promise<void>((resolve) => (release = resolve)))
      .catch((error) => error)
    const seen = walsender.statuses.length
    walsender.send(backend.keepalive(0x3000n, true))
    await walsender.until(() => walsender.statuses.length >= seen + 4)
    expect(walsender.statuses.every(({ flush }) => flush === 0n)).toBe(true)
    walsender.cut()
    release()
    release()
    await pause(5)
    release()
    expect(await consumed).toBeInstanceOf(ConnectionLostError)
  })

  it('fills no memory: reading stops above the high-water mark', async () => {
    await start({ highWaterMark: 100_000 })
    const payload = 'x'.repeat(10_000)
    for (let index = 1n; index <= 3000n; index += 1n) walsender.send(text(index, payload))
    await cursor.waitReadable()
    await pause(100)
    expect(connection.receivedLsn).toBeLessThan(3000n)
    for (let index = 1n; index <= 3000n; index += 1n)
      expect((await cursor.readMessage())?.dataStart).toBe(index)
  })

  it('fills no memory with empty messages either', async () => {
    await start({ highWaterMark: 10_000 })
    for (let at = 0; at < 300_000; at += 1000)
      walsender.send(...Array.from({ length: 1000 }, (_, index) => text(BigInt(at + index + 1), '')))
    await cursor.waitReadable()
    await pause(100)
    expect(connection.receivedLsn).toBeLessThan(300_000n)
  })
})

describe('consumeStream', () => {
  it('is left by StopReplication, as the same object, and can be gone on with', async () => {
    await start()
    walsender.send(text(1n, 'a'), text(2n, 'b'), text(3n, 'c'))
    const stop = new StopReplication('enough')
    const got: string[] = []
    const collect = (message: ReplicationMessage) => {
      got.push(message.text)
      if (got.length === 2) throw stop
    }
    await expect(cursor.consumeStream(collect)).rejects.toBe(stop)
    expect(cursor.streaming).toBe(true)
    expect((await cursor.readMessage())?.text).toBe('c')
    walsender.send(text(4n, 'd'))
    await expect(
      cursor.consumeStream(() => {
        throw stop
      }),
    ).rejects.toBe(stop)
  })

  it('takes one message at a time, and no second loop inside', async () => {
    await start()
    walsender.send(text(1n), text(2n))
    let inside = 0
    const failure = await cursor
      .consumeStream(async () => {
        inside += 1
        expect(inside).toBe(1)
        await pause(5)
        inside -= 1
        await cursor.consumeStream(() => {})
      })
      .catch((error) => error)
    expect(failure).toBeInstanceOf(UsageError)
  })

  it('takes a keepalive interval of a second or more, and none before there is a stream', async () => {
    await expect(cursor.consumeStream(() => {})).rejects.toThrow(/call startReplication first/)
    await start()
    await expect(cursor.consumeStream(() => {}, { keepaliveInterval: 0.5 })).rejects.toThrow(UsageError)
    const consumed = cursor.consumeStream(() => {}, { keepaliveInterval: 1 })
    await walsender.until(() => walsender.statuses.length === 3)
    walsender.send(backend.commandComplete('COPY 0'))
    expect(await consumed).toEqual({ reason: 'server-shutdown' })
  })

  it('stops the stream when the signal aborts, and rejects with its reason', async () => {
    await start()
    const controller = new AbortController()
    const consumed = cursor.consumeStream(() => {}, { signal: controller.signal })
    controller.abort(new Error('going home'))
    await walsender.until(() => walsender.copyDones === 1)
    walsender.send(endOfCopy)
    await expect(consumed).rejects.toThrow('going home')
    expect(connection.closed).toBe(false)
  })
})

describe('the end of a stream', () => {
  it('lets no loop around waitReadable and tryReadMessage spin', async () => {
    await start()
    walsender.send(text(1n), backend.commandComplete('COPY 0'))
    const loop = async () => {
      for (;;) {
        if (await cursor.waitReadable(1000)) cursor.tryReadMessage()
      }
    }
    await expect(loop()).rejects.toThrow(ReplicationEnded)
  })

  it('is no unhandled event or rejection, whatever breaks', async () => {
    const unhandled: unknown[] = []
    const note = (error: unknown) => unhandled.push(error)
    process.on('unhandledRejection', note)
    process.on('uncaughtException', note)
    try {
      await start()
      walsender.cut()
      await pause(20)
      await expect(cursor.readMessage()).rejects.toThrow(ConnectionLostError)
      const other = await LogicalReplicationConnection.connect(walsender.options)
      await other.startReplication({ slotName: 's' })
      walsender.send(Buffer.from('this is no protocol at all'))
      await pause(20)
      await expect(other.readReplicationMessage()).rejects.toThrow(ProtocolError)
      await other.close()
    } finally {
      await pause(5)
      process.off('unhandledRejection', note)
      process.off('uncaughtException', note)
    }
    expect(unhandled).toEqual([])
  })

  it('drops the socket when the server does not agree to stop', async () => {
    await start()
    await cursor.stopReplication({ drainTimeoutMs: 20 })
    expect(connection.closed).toBe(true)
  })
})

describe('cursors', () => {
  it('end the stream when they are disposed of, and leave the connection', async () => {
    {
      await using scoped = connection.cursor()
      await scoped.startReplication({ slotName: 's' })
      walsender.until(() => walsender.copyDones === 1).then(() => walsender.send(endOfCopy))
    }
    expect(connection.streaming).toBe(false)
    walsender.answer('SHOW x', backend.result(['x'], [['y']]))
    expect(await connection.show('x')).toBe('y')
  })

  it('give rows by position, one or all, and none when closed', async () => {
    walsender.answer(
      'SELECT',
      backend.result(
        ['a', 'b'],
        [
          ['1', null],
          ['2', 'two'],
        ],
      ),
    )
    using plain = connection.cursor()
    expect(plain.description).toBeNull()
    expect(plain.rowCount).toBe(-1)
    await plain.execute('SELECT')
    expect(plain.description?.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(plain.rowCount).toBe(2)
    expect(plain.statusMessage).toBe('SELECT')
    expect(plain.fetchOne()).toEqual(['1', null])
    expect(plain.fetchAll()).toEqual([['2', 'two']])
    expect(plain.fetchOne()).toBeNull()
    plain.close()
    expect(() => plain.fetchAll()).toThrow(UsageError)
  })

  it('know the descriptor of the socket', () => {
    expect(cursor.fileno()).toBeGreaterThan(2)
    expect(cursor.fileno()).toBe(connection.fileno())
  })

  it('have the server cancel a command that is aborted', async () => {
    const controller = new AbortController()
    const waiting = connection.createReplicationSlot('s', { outputPlugin: 'x', signal: controller.signal })
    await walsender.until(() => walsender.queries.some((query) => query.startsWith('CREATE')))
    controller.abort(new Error('not now'))
    await expect(waiting).rejects.toThrow('not now')
    await walsender.until(() => walsender.cancels.length === 1)
    expect(walsender.cancels).toEqual([{ pid: 7, key: 9 }])
  })
})
