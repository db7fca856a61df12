import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  ConnectionLostError,
  PhysicalReplicationConnection,
  ProtocolError,
  ReplicationEnded,
  ServerError,
  UsageError,
  WalRemovedError,
} from '../../src/pg/index.js'
import { parseLsn } from '../../src/wal/index.js'
import * as backend from '../support/backend-frames.js'
import { ScriptedWalsender } from '../support/scripted-walsender.js'

const START = 0x1000000n
const bytes = (length: number, seed = 7) => Buffer.from(Array.from({ length }, (_, i) => (i * seed) & 0xff))
const sha = (buffer: Buffer) => createHash('sha256').update(buffer).digest('hex')
const endOfCopy = Buffer.concat([
  backend.commandComplete('START_STREAMING'),
  backend.commandComplete('START_REPLICATION'),
  backend.ready(),
])

let walsender: ScriptedWalsender
let connection: PhysicalReplicationConnection

beforeEach(async () => {
  walsender = await ScriptedWalsender.start()
  connection = await PhysicalReplicationConnection.connect(walsender.options)
})

afterEach(async () => {
  connection.destroy()
  await walsender[Symbol.asyncDispose]()
})

/** Starts a stream; `first` comes in the same bytes as CopyBothResponse. */
async function start(first: Buffer = Buffer.alloc(0), options = {}): Promise<void> {
  walsender.answer('START_REPLICATION', Buffer.concat([backend.copyBoth(), first]))
  const result = await connection.startReplication({ startLsn: START, timeline: 1, ...options })
  expect(result).toEqual({ kind: 'streaming', startLsn: START, timeline: 1 })
}

describe('reading', () => {
  it('misses nothing that comes in the same read as the start of the stream', async () => {
    await start(backend.xlogData(START, bytes(100)))
    const message = await connection.readReplicationMessage()
    expect(message).toMatchObject({ dataStart: START, dataSize: 100, dataEnd: START + 100n })
  })

  it('gives each message memory of its own: payloads are intact after the stream has ended', async () => {
    await start()
    const payloads = Array.from({ length: 300 }, (_, index) => bytes(1 + ((index * 977) % 9000), index + 1))
    let position = START
    for (const payload of payloads) {
      walsender.send(backend.xlogData(position, payload))
      position += BigInt(payload.length)
    }
    walsender.send(backend.commandComplete('COPY 0'))
    const messages = []
    for await (const message of connection) messages.push(message)
    expect(messages.map((message) => sha(message.payload))).toEqual(payloads.map(sha))
    expect(connection.endOfStream).toEqual({ reason: 'server-shutdown' })
  })

  it('resolves null at the timeout and does not starve the socket in a tight loop', async () => {
    await start()
    expect(await connection.readReplicationMessage({ timeoutMs: 5 })).toBeNull()
    expect(connection.tryReadMessage()).toBeNull()
    setTimeout(() => walsender.send(backend.xlogData(START, bytes(5))), 20)
    let message = null
    while (message === null) message = await connection.readReplicationMessage({ timeoutMs: 1 })
    expect(message.dataSize).toBe(5)
  })

  it('allows one reader at a time and no command while streaming', async () => {
    await start()
    const reading = connection.readReplicationMessage({ timeoutMs: 200 })
    await expect(connection.readReplicationMessage()).rejects.toThrow(UsageError)
    await expect(connection.identifySystem()).rejects.toThrow('replication is in progress')
    await reading
  })

  it('stops reading from the socket above the high-water mark, and goes on below it', async () => {
    await start(undefined, { highWaterMark: 64 * 1024 })
    const payload = bytes(100_000)
    for (let index = 0n; index < 200n; index += 1n)
      walsender.send(backend.xlogData(START + index * 100_000n, payload))
    await connection.waitReadable()
    await new Promise((resolve) => setTimeout(resolve, 100))
    const received = connection.receivedLsn! - START
    expect(received).toBeLessThan(200n * 100_000n)
    for (let index = 0; index < 200; index += 1) {
      expect((await connection.readReplicationMessage())?.payload.equals(payload)).toBe(true)
    }
  })

  it('cuts a reader off that takes nothing, so that it cannot hold up the server for ever', async () => {
    await start(undefined, { highWaterMark: 10, stallTimeoutMs: 50 })
    walsender.send(backend.xlogData(START, bytes(100)))
    await connection.waitReadable()
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(connection.tryReadMessage()).not.toBeNull()
    await expect(connection.readReplicationMessage()).rejects.toMatchObject({ code: 'PG_READER_STALLED' })
  })

  it('ends an aborted wait with the reason of the signal', async () => {
    await start()
    const controller = new AbortController()
    const reading = connection.readReplicationMessage({ signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(reading).rejects.toThrow('enough')
  })
})

describe('the end', () => {
  it('of a timeline is a value, and the connection takes commands again', async () => {
    await start(backend.xlogData(START, bytes(10)))
    walsender.send(backend.copyDone())
    await walsender.until(() => walsender.copyDones === 1)
    walsender.send(
      backend.rowDescription(['next_tli', 'next_tli_startpos']),
      backend.dataRow(['2', '0/100000A']),
      endOfCopy,
    )
    await connection.readReplicationMessage()
    await expect(connection.readReplicationMessage()).rejects.toThrow(ReplicationEnded)
    expect(connection.endOfStream).toEqual({
      reason: 'timeline',
      nextTimeline: 2,
      nextTimelineStart: parseLsn('0/100000A'),
    })
    walsender.answer(
      'IDENTIFY_SYSTEM',
      backend.result(['systemid', 'timeline', 'xlogpos', 'dbname'], [['7', '2', '0/2', null]]),
    )
    expect((await connection.identifySystem()).timeline).toBe(2)
  })

  it('comes without a stream when the timeline ends where it was to begin', async () => {
    walsender.answer(
      'START_REPLICATION',
      Buffer.concat([
        backend.rowDescription(['next_tli', 'next_tli_startpos']),
        backend.dataRow(['3', '0/1000000']),
        backend.commandComplete('START_REPLICATION'),
        backend.ready(),
      ]),
    )
    expect(await connection.startReplication({ startLsn: START, timeline: 2 })).toEqual({
      kind: 'ended',
      end: { reason: 'timeline', nextTimeline: 3, nextTimelineStart: START },
    })
    expect(connection.streaming).toBe(false)
  })

  it('by the caller drains what is under way and leaves a usable connection', async () => {
    await start(backend.xlogData(START, bytes(10)))
    const stopping = connection.stopReplication()
    await walsender.until(() => walsender.copyDones === 1)
    walsender.send(
      backend.xlogData(START + 10n, bytes(5000)),
      backend.copyDone(),
      // A logical walsender agrees first and sends the rest of its transaction then.
      backend.xlogData(START + 5010n, bytes(5000)),
      backend.keepalive(START, true),
      endOfCopy,
    )
    expect(await stopping).toEqual({ reason: 'client' })
    walsender.answer('SHOW x', backend.result(['x'], [['y']]))
    expect(await connection.show('x')).toBe('y')
  })

  it('by the caller is bounded when the server does not answer', async () => {
    await start()
    expect(await connection.stopReplication({ drainTimeoutMs: 30 })).toEqual({ reason: 'client' })
    await expect(connection.identifySystem()).rejects.toThrow(ConnectionLostError)
  })

  it('by leaving the loop is the same', async () => {
    await start(Buffer.concat([backend.xlogData(START, bytes(10)), backend.xlogData(START + 10n, bytes(10))]))
    const answer = walsender
      .until(() => walsender.copyDones === 1)
      .then(() => walsender.send(backend.copyDone(), endOfCopy))
    for await (const message of connection) {
      expect(message.dataStart).toBe(START)
      break
    }
    await answer
    expect(connection.streaming).toBe(false)
    expect(connection.closed).toBe(false)
  })

  it.each([
    ['in the same read as its start', true],
    ['later', false],
  ])('by an error of the server, %s, keeps SQLSTATE, class and the connection', async (_when, atOnce) => {
    const refusal = backend.errorResponse({
      S: 'FEHLER',
      V: 'ERROR',
      C: '58P01',
      M: 'angefordertes WAL-Segment wurde schon entfernt',
      R: 'WalSndSegmentOpen',
    })
    await start(atOnce ? Buffer.concat([refusal, backend.ready()]) : Buffer.alloc(0))
    if (!atOnce) walsender.send(refusal, backend.ready())
    const error = await connection.readReplicationMessage().catch((thrown) => thrown)
    expect(error).toBeInstanceOf(WalRemovedError)
    expect(error).toMatchObject({ sqlState: '58P01', fatal: false, retryable: false, code: 'PG_WAL_REMOVED' })
    walsender.answer('SHOW x', backend.result(['x'], [['y']]))
    expect(await connection.show('x')).toBe('y')
  })

  it("by a fatal error says the server's reason and not that the line is dead", async () => {
    await start()
    walsender.send(backend.errorResponse({ S: 'FATAL', V: 'FATAL', C: '57P01', M: 'terminating connection' }))
    walsender.cut()
    const error = await connection.readReplicationMessage().catch((thrown) => thrown)
    expect(error).toBeInstanceOf(ServerError)
    expect(error).toMatchObject({ sqlState: '57P01', fatal: true, retryable: true })
  })

  it('by a dead line rejects the read under way and every later one', async () => {
    await start()
    const reading = connection.readReplicationMessage()
    walsender.cut()
    await expect(reading).rejects.toThrow(ConnectionLostError)
    await expect(connection.readReplicationMessage()).rejects.toThrow(ConnectionLostError)
  })
})

describe('what a server must not do', () => {
  it('skip bytes', async () => {
    await start(backend.xlogData(START, bytes(10)))
    walsender.send(backend.xlogData(START + 11n, bytes(10)))
    await connection.readReplicationMessage()
    await expect(connection.readReplicationMessage()).rejects.toThrow(ProtocolError)
  })

  it('begin elsewhere than asked', async () => {
    await start(backend.xlogData(START - 1n, bytes(10)))
    await expect(connection.readReplicationMessage()).rejects.toThrow(
      /received WAL at 0\/FFFFFF, expected 0\/1000000/,
    )
  })

  it('send things that have no place in a stream', async () => {
    await start()
    walsender.send(backend.copyBoth())
    await expect(connection.readReplicationMessage()).rejects.toThrow(ProtocolError)
  })
})

describe('feedback', () => {
  it('goes out at once at the beginning, with the positions given for that', async () => {
    await start(undefined, { initialFeedback: { writeLsn: START, flushLsn: START } })
    await walsender.until(() => walsender.statuses.length === 1)
    expect(walsender.statuses[0]).toMatchObject({
      write: START,
      flush: START,
      apply: 0n,
      replyRequested: false,
    })
    const age = Date.now() - (Number(walsender.statuses[0]!.clock / 1000n) + 946_684_800_000)
    expect(Math.abs(age)).toBeLessThan(60_000)
  })

  it('is recorded, and sent with force; positions only move forward', async () => {
    await start(backend.xlogData(START, bytes(100)))
    await connection.readReplicationMessage()
    await walsender.until(() => walsender.statuses.length === 1)
    connection.sendFeedback({ writeLsn: START + 100n, flushLsn: START + 50n })
    connection.sendFeedback({ writeLsn: START + 20n, flushLsn: START + 20n, force: true })
    await walsender.until(() => walsender.statuses.length === 2)
    expect(walsender.statuses[1]).toMatchObject({ write: START + 100n, flush: START + 50n, apply: 0n })
  })

  it('refuses positions that were never received: the server would believe them', async () => {
    await start(backend.xlogData(START, bytes(100)))
    await connection.readReplicationMessage()
    expect(() => connection.sendFeedback({ flushLsn: START + 101n })).toThrow(UsageError)
    expect(() => connection.sendFeedback({ flushLsn: -1n })).toThrow(RangeError)
  })

  it('answers a server that asks, once and at once when there is news', async () => {
    await start(backend.xlogData(START, bytes(100)))
    await connection.readReplicationMessage()
    await walsender.until(() => walsender.statuses.length === 1)
    connection.sendFeedback({ flushLsn: START + 100n })
    walsender.send(backend.keepalive(START + 100n, true))
    await walsender.until(() => walsender.statuses.length === 2)
    expect(walsender.statuses[1]?.flush).toBe(START + 100n)
  })

  it('puts an answer without news off: at shutdown each answer brings the next question', async () => {
    walsender.answer('SHOW wal_sender_timeout', backend.result(['wal_sender_timeout'], [['400ms']]))
    await start()
    await walsender.until(() => walsender.statuses.length === 1)
    const before = performance.now()
    for (let index = 0; index < 50; index += 1) walsender.send(backend.keepalive(START, true))
    await walsender.until(() => walsender.statuses.length === 2)
    expect(performance.now() - before).toBeGreaterThan(50)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(walsender.statuses.length).toBeLessThan(5)
  })

  it('goes out on its own timer, at least three times in wal_sender_timeout, while nobody reads', async () => {
    walsender.answer('SHOW wal_sender_timeout', backend.result(['wal_sender_timeout'], [['300ms']]))
    await start(undefined, { highWaterMark: 10 })
    walsender.send(backend.xlogData(START, bytes(100)))
    await walsender.until(() => walsender.statuses.length >= 4)
  })

  it('sends none of its own accord with an interval of 0', async () => {
    await start(undefined, { statusInterval: 0 })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(walsender.statuses).toEqual([])
  })

  it('asks a silent server for a sign of life, and gives a dead one up', async () => {
    await start(undefined, { pingTimeoutMs: 40 })
    await walsender.until(() => walsender.statuses.some((status) => status.replyRequested))
    await expect(connection.readReplicationMessage()).rejects.toMatchObject({ code: 'PG_SERVER_SILENT' })
  })

  it('lets a server live that answers', async () => {
    await start(undefined, { pingTimeoutMs: 60 })
    let pings = 0
    while (pings < 3) {
      await walsender.until(() => walsender.statuses.filter((status) => status.replyRequested).length > pings)
      pings += 1
      walsender.send(backend.keepalive(START))
    }
    expect(connection.streaming).toBe(true)
  })
})

describe('streamWal', () => {
  it('hands over spans that stay intact until their promise settles, and answers after the keepalive hook', async () => {
    await start(backend.xlogData(START, bytes(1000, 3)))
    const log: string[] = []
    const held: { view: Buffer; copy: Buffer; settle(): void }[] = []
    let hookDone = false
    const streamed = connection.streamWal({
      onWal: (lsn, view) => {
        log.push(`wal ${lsn - START} ${view.length}`)
        return new Promise((resolve) => held.push({ view, copy: Buffer.from(view), settle: resolve }))
      },
      onKeepalive: async (_walEnd, replyRequested) => {
        if (!replyRequested) return
        await new Promise((resolve) => setTimeout(resolve, 20))
        hookDone = true
        connection.sendFeedback({ flushLsn: START + 1000n })
      },
    })
    await walsender.until(() => walsender.statuses.length === 1)
    for (let index = 0n; index < 200n; index += 1n) {
      walsender.send(backend.xlogData(START + 1000n + index * 1000n, bytes(1000, Number(index))))
    }
    walsender.send(backend.keepalive(START, true))
    await walsender.until(() => walsender.statuses.length === 2)
    expect(hookDone).toBe(true)
    expect(walsender.statuses[1]?.flush).toBe(START + 1000n)
    expect(held.every(({ view, copy }) => view.equals(copy))).toBe(true)
    walsender.send(backend.commandComplete('COPY 0'))
    setTimeout(() => {
      for (const { settle } of held) settle()
    }, 20)
    expect(await streamed).toEqual({ reason: 'server-shutdown' })
    expect(Buffer.concat(held.map(({ copy }) => copy)).length).toBe(201_000)
  })

  it('ends with the error of the sink', async () => {
    await start(backend.xlogData(START, bytes(10)))
    await expect(
      connection.streamWal({ onWal: () => Promise.reject(new Error('disk on fire')) }),
    ).rejects.toThrow('disk on fire')
  })
})

describe('start positions', () => {
  const slot = backend.result(['slot_type', 'restart_lsn', 'restart_tli'], [['physical', '0/3001234', '4']])

  it('come from the slot when none is given, rounded down to a segment start', async () => {
    walsender.answer('SHOW wal_segment_size', backend.result(['wal_segment_size'], [['16MB']]))
    walsender.answer('READ_REPLICATION_SLOT', slot)
    walsender.answer('START_REPLICATION', backend.copyBoth())
    expect(await connection.startReplication({ slotName: 'Mixed-Case' })).toMatchObject({
      startLsn: 0x3000000n,
      timeline: 4,
    })
    expect(walsender.queries.slice(-3)).toEqual([
      'READ_REPLICATION_SLOT "Mixed-Case"',
      'SHOW wal_sender_timeout',
      'START_REPLICATION SLOT "Mixed-Case" 0/3000000 TIMELINE 4',
    ])
  })

  it('refuse names that cannot be quoted before anything is sent', async () => {
    await expect(connection.startReplication({ slotName: 'a"b', startLsn: START })).rejects.toThrow(
      UsageError,
    )
    await expect(connection.createReplicationSlot('')).rejects.toThrow(UsageError)
    await expect(connection.dropReplicationSlot('a\0b')).rejects.toThrow(UsageError)
    await expect(connection.show('a; DROP')).rejects.toThrow(UsageError)
    expect(walsender.queries.filter((query) => !query.startsWith('SHOW'))).toEqual([])
  })
})
