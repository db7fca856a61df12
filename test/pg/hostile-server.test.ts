/** A server that lies, over a real socket: a clear error, the connection closed, and no memory on its word. */
import { afterEach, describe, expect, it } from 'vitest'
import {
  type ConnectOptions,
  LogicalReplicationConnection,
  PhysicalReplicationConnection,
} from '../../src/pg/index.js'
import * as backend from '../support/backend-frames.js'
import {
  authentication,
  authenticationOk,
  greeting,
  type Peer,
  ScriptedServer,
  sasl,
} from '../support/scripted-server.js'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function deferred<Value>() {
  let resolve!: (value: Value) => void
  const promise = new Promise<Value>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

/** Serves a script, and tells when the client has closed the line. */
async function serve(script: (peer: Peer) => Promise<void>) {
  const closed = deferred<void>()
  const server = await ScriptedServer.start(async (peer) => {
    await peer.startup()
    await script(peer)
    await peer.closed()
    closed.resolve()
  })
  cleanups.push(() => server[Symbol.asyncDispose]())
  const options: ConnectOptions = {
    dsn: `host=127.0.0.1 port=${server.port} user=ada password=pencil sslmode=disable`,
  }
  return { options, closed: closed.promise, server }
}

/** Says so much at a time that a client which keeps it all would notice, until the client hangs up. */
async function sayForEver(peer: Peer, bytes: Buffer, most = Number.POSITIVE_INFINITY): Promise<void> {
  const { socket } = peer
  socket.setMaxListeners(0)
  for (let said = 0; !socket.destroyed && said < most; said += bytes.length)
    if (!socket.write(bytes)) await new Promise<void>((go) => socket.once('drain', go).once('close', go))
}

const repeated = (frame: Buffer, count: number) => Buffer.concat(Array.from({ length: count }, () => frame))

async function refusal(script: (peer: Peer) => Promise<void>) {
  const { options, closed } = await serve(script)
  const error = await PhysicalReplicationConnection.connect(options).then(
    () => Promise.reject(new Error('the server was believed')),
    (error) => error,
  )
  await closed
  return error
}

describe('at start-up', () => {
  it.each(['E', 'N'])(
    'a message of type %s without an end is refused: it must not keep us in a loop',
    async (type) => {
      const error = await refusal(async (peer) => peer.send(backend.frame(type, Buffer.from('Mnothing'))))
      expect(error).toMatchObject({ code: 'PG_PROTOCOL', message: expect.stringContaining('it has no end') })
      expect(await refusal(async (peer) => peer.send(backend.frame(type)))).toMatchObject({
        code: 'PG_PROTOCOL',
      })
    },
  )

  it.each([0, 3, 5])('request %i of an impossible length is not taken for an OK', async (request) => {
    const error = await refusal(async (peer) => peer.send(authentication(request, 'xyz'), greeting()))
    expect(error).toMatchObject({
      code: 'PG_PROTOCOL',
      message: expect.stringContaining('impossible length'),
    })
  })

  it.each([0, 3, 0x7fff_ffff, 0xffff_ffff])('a message of length %i is refused', async (length) => {
    const header = Buffer.from('R\0\0\0\0')
    header.writeUInt32BE(length, 1)
    const error = await refusal(async (peer) => peer.send(header))
    expect(error).toMatchObject({ code: 'PG_PROTOCOL' })
  })

  it('what follows the answer to SSLRequest in the clear is never listened to (CVE-2021-23222)', async () => {
    const server = await ScriptedServer.start(async (peer) => {
      await peer.startup()
      peer.send(Buffer.from('S'))
      // Behind the answer and apart from it: on its own it would be a session that is open.
      await new Promise((resolve) => setTimeout(resolve, 20))
      peer.send(authenticationOk(), greeting())
    })
    cleanups.push(() => server[Symbol.asyncDispose]())
    const dsn = `host=127.0.0.1 port=${server.port} user=ada password=pencil sslmode=require`
    await expect(PhysicalReplicationConnection.connect({ dsn })).rejects.toMatchObject({ code: 'PG_TLS' })
  })

  it('notices without end are not listened to for ever', async () => {
    const notice = backend.errorResponse({ S: 'NOTICE', C: '00000', M: 'x' })
    notice[0] = 'N'.charCodeAt(0)
    const error = await refusal((peer) => sayForEver(peer, repeated(notice, 1000)))
    expect(error).toMatchObject({
      code: 'PG_PROTOCOL',
      message: expect.stringContaining('server sent 10000 messages and is not ready for a command'),
    })
  })

  it('settings without end are not kept', async () => {
    const value = 'x'.repeat(10_000)
    const error = await refusal(async (peer) => {
      peer.send(authenticationOk())
      for (let count = 0; count < 120; count++) peer.send(backend.parameterStatus(`setting_${count}`, value))
    })
    expect(error).toMatchObject({
      code: 'PG_PROTOCOL',
      message: expect.stringContaining('bytes of settings'),
    })
  })

  it('a password is not given again and again', async () => {
    let given = 0
    const error = await refusal(async (peer) => {
      for (; !peer.socket.destroyed; given++) {
        peer.send(authentication(3))
        await peer.message().catch(() => peer.socket.destroy())
      }
    })
    expect(error).toMatchObject({ code: 'PG_AUTHENTICATION', message: expect.stringContaining('10 times') })
    expect(given).toBeLessThan(13)
  })

  it.each([
    ['2147483648', 'above the limit'],
    ['99999999999999999999', 'above the limit'],
    ['0', 'invalid iteration count'],
    ['-1', 'invalid iteration count'],
    ['1e3', 'invalid iteration count'],
  ])('SCRAM with %s iterations is refused before a proof is made', async (iterations, reason) => {
    const error = await refusal(async (peer) => {
      peer.send(sasl('SCRAM-SHA-256'))
      const first = (await peer.message()).body.toString()
      const nonce = first.slice(first.indexOf('n=,r=') + 5)
      peer.send(authentication(11, `r=${nonce}server,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=${iterations}`))
    })
    expect(error).toMatchObject({ code: 'PG_SCRAM', message: expect.stringContaining(reason) })
  })

  it('SCRAM that answers another nonce, or the very same, is refused', async () => {
    for (const nonce of [() => 'other', (ours: string) => ours]) {
      const error = await refusal(async (peer) => {
        peer.send(sasl('SCRAM-SHA-256'))
        const first = (await peer.message()).body.toString()
        const ours = first.slice(first.indexOf('n=,r=') + 5)
        peer.send(authentication(11, `r=${nonce(ours)},s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096`))
      })
      expect(error).toMatchObject({ code: 'PG_SCRAM', message: expect.stringContaining('nonce mismatch') })
    }
  })

  it.each(['', 'v=', 'v=AAAA', 'e=invalid-proof', 'x', `v=${Buffer.alloc(32).toString('base64')}`])(
    'SCRAM that ends with %j is refused, with one iteration too',
    async (final) => {
      const error = await refusal(async (peer) => {
        peer.send(sasl('SCRAM-SHA-256'))
        const first = (await peer.message()).body.toString()
        const nonce = first.slice(first.indexOf('n=,r=') + 5)
        peer.send(authentication(11, `r=${nonce}server,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=1`))
        await peer.message()
        peer.send(authentication(12, final), authenticationOk(), greeting())
      })
      expect(error).toMatchObject({ code: 'PG_SCRAM' })
    },
  )
})

/** A session that is open, with a server that answers the next thing said with `answer`. */
async function session(answer: (peer: Peer) => Promise<void> | void) {
  const served = await serve(async (peer) => {
    peer.send(authenticationOk(), greeting())
    await peer.message()
    await answer(peer)
  })
  const connection = await PhysicalReplicationConnection.connect(served.options)
  cleanups.push(() => connection.destroy())
  return { connection, closed: served.closed }
}

const IDENTITY = ['systemid', 'timeline', 'xlogpos', 'dbname']

describe('in answer to a command', () => {
  it.each([
    [['7000000000000000001', '0', '0/3000000', null], 'invalid timeline "0"'],
    [['7000000000000000001', '4294967296', '0/3000000', null], 'invalid timeline'],
    [['7000000000000000001', '1', '0/3000000000', null], 'invalid position'],
    [['../../etc', '1', '0/3000000', null], 'invalid system identifier'],
    [['', '1', '0/3000000', null], 'invalid system identifier'],
  ])('IDENTIFY_SYSTEM with %j is not believed', async (row, reason) => {
    const { connection, closed } = await session((peer) => peer.send(backend.result(IDENTITY, [row])))
    await expect(connection.identifySystem()).rejects.toMatchObject({
      code: 'PG_PROTOCOL',
      message: expect.stringContaining(reason),
    })
    connection.destroy()
    await closed
  })

  it.each([1, 3])('a row of %i values for two columns is refused', async (count) => {
    const row = backend.dataRow(Array.from({ length: count }, () => 'x'))
    const { connection, closed } = await session((peer) =>
      peer.send(backend.rowDescription(['a', 'b']), row, backend.commandComplete('SELECT'), backend.ready()),
    )
    await expect(connection.query('SELECT')).rejects.toMatchObject({
      code: 'PG_PROTOCOL',
      message: `server sent a row of ${count} values for 2 columns`,
    })
    await closed
  })

  it('an int8 that is none is refused', async () => {
    const { connection } = await session((peer) => {
      const described = backend.rowDescription(['a'])
      described.writeUInt32BE(20, described.length - 12)
      peer.send(described, backend.dataRow(['one']), backend.commandComplete('SELECT 1'), backend.ready())
    })
    await expect(connection.query('SELECT')).rejects.toMatchObject({ code: 'PG_PROTOCOL' })
  })

  it('rows without end are not kept', async () => {
    const rows = repeated(backend.dataRow(['x'.repeat(1000)]), 1000)
    const { connection, closed } = await session(async (peer) => {
      peer.send(backend.rowDescription(['a']))
      await sayForEver(peer, rows)
    })
    await expect(connection.query('SELECT', { maxResultBytes: 4_000_000 })).rejects.toMatchObject({
      code: 'PG_RESULT_TOO_LARGE',
    })
    await closed
  })

  it('a history file of 1 GB is refused at its length', async () => {
    const { connection, closed } = await session((peer) => {
      const row = Buffer.from('D\0\0\0\0')
      row.writeUInt32BE(1024 ** 3, 1)
      peer.send(backend.rowDescription(['filename', 'content']), row)
    })
    await expect(connection.timelineHistory(2)).rejects.toMatchObject({
      code: 'PG_PROTOCOL',
      message: 'message of type "D" is too long: 1073741824 bytes',
    })
    await closed
  })

  it('what nobody asked for is not kept for ever', async () => {
    const served = await serve(async (peer) => {
      peer.send(authenticationOk(), greeting())
      await sayForEver(peer, repeated(backend.parameterStatus('a', 'x'.repeat(100_000)), 10), 80_000_000)
    })
    const connection = await PhysicalReplicationConnection.connect(served.options)
    await served.closed
    await expect(connection.identifySystem()).rejects.toMatchObject({
      code: 'PG_PROTOCOL',
      message: expect.stringContaining('bytes that nobody asked for'),
    })
  })
})

/** A stream that is open; `then` says what comes in it. */
async function stream(
  then: (peer: Peer) => Promise<void> | void,
  startLsn: string | undefined = '0/3000000',
) {
  const served = await serve(async (peer) => {
    peer.send(authenticationOk(), greeting())
    for (;;) {
      const { type, body } = await peer.message()
      if (type !== 'Q') continue
      const query = body.toString()
      if (query.startsWith('SHOW wal_sender')) peer.send(backend.result(['x'], [['1min']]))
      else if (query.startsWith('SHOW wal_segment')) peer.send(backend.result(['x'], [['1MB']]))
      else if (query.startsWith('IDENTIFY'))
        peer.send(backend.result(IDENTITY, [['7000000000000000001', '1', '0/3000000', null]]))
      else break
    }
    peer.send(backend.copyBoth())
    await then(peer)
  })
  const connection = await PhysicalReplicationConnection.connect(served.options)
  cleanups.push(() => connection.destroy())
  await connection.startReplication({ startLsn, timeline: 1, pingTimeoutMs: 200 })
  return { connection, closed: served.closed }
}

async function readAll(connection: PhysicalReplicationConnection): Promise<void> {
  for (;;) await connection.readReplicationMessage()
}

describe('in a stream', () => {
  it.each([
    ['a gap', 0x300_0200n],
    ['an overlap', 0x300_0080n],
    ['the beginning again', 0x300_0000n],
    ['the end of all positions', 0xffff_ffff_ffff_fff0n],
  ])('WAL with %s is refused', async (_, position) => {
    const { connection, closed } = await stream((peer) =>
      peer.send(
        backend.xlogData(0x300_0000n, Buffer.alloc(256)),
        backend.xlogData(position, Buffer.alloc(256)),
      ),
    )
    await expect(readAll(connection)).rejects.toMatchObject({ code: 'PG_PROTOCOL' })
    await closed
  })

  it('WAL beyond the end of all positions is refused', async () => {
    const last = 0xffff_ffff_fff0_0000n
    const { connection, closed } = await stream(async (peer) => {
      for (let at = last; at <= 0xffff_ffff_ffff_ffffn; at += 65_536n)
        peer.send(backend.xlogData(at, Buffer.alloc(65_536)))
    }, 'FFFFFFFF/FFF00000')
    await expect(readAll(connection)).rejects.toMatchObject({
      code: 'PG_PROTOCOL',
      message: 'received 65536 bytes of WAL at FFFFFFFF/FFFF0000',
    })
    await closed
  })

  it('questions without end get an answer now and then, and no loop', async () => {
    let answers = 0
    const { connection } = await stream(async (peer) => {
      peer.socket.on('data', (chunk: Buffer) => {
        answers += chunk.length / 39
      })
      for (let count = 0; count < 50; count++) peer.send(repeated(backend.keepalive(0x300_0000n, true), 1000))
      peer.send(backend.xlogData(0x300_0000n, Buffer.from('end')))
    })
    expect((await connection.readReplicationMessage())?.bytes.toString()).toBe('end')
    expect(answers).toBeLessThan(10)
  })

  it('what a server does not read of our statuses does not pile up', async () => {
    const { connection } = await stream((peer) => {
      peer.socket.pause()
      peer.send(backend.xlogData(0x300_0000n, Buffer.alloc(1000)))
    })
    await connection.readReplicationMessage()
    const { transport } = (connection as unknown as { session: { transport: { unsentBytes: number } } })
      .session
    for (let turn = 0; turn < 200; turn++) {
      for (let count = 0; count < 1000; count++) connection.sendFeedback({ force: true })
      await new Promise(setImmediate)
    }
    expect(transport.unsentBytes).toBeLessThan(128 * 1024)
  })

  it('an end that is begun and never completed is one all the same', async () => {
    const { connection, closed } = await stream((peer) => peer.send(backend.copyDone()))
    await expect(readAll(connection)).rejects.toMatchObject({
      code: 'PG_SERVER_SILENT',
      message: 'the server did not say how the stream ended within 200 ms',
    })
    await closed
  })

  it('a message of 1 GB gets memory as its bytes come', async () => {
    const started = deferred<Peer>()
    const served = await serve(async (peer) => {
      peer.send(authenticationOk(), greeting())
      await peer.message()
      peer.send(backend.result(['x'], [['1min']]))
      await peer.message()
      peer.send(backend.copyBoth())
      started.resolve(peer)
    })
    const connection = await LogicalReplicationConnection.connect(served.options)
    cleanups.push(() => connection.destroy())
    await connection.startReplication({ slotName: 'one' })
    const before = process.memoryUsage().arrayBuffers
    const large = backend.xlogData(0x300_0000n, Buffer.alloc(64))
    large.writeUInt32BE(1024 ** 3, 1)
    const peer = await started.promise
    peer.send(large)
    expect(await connection.waitReadable(100)).toBe(false)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
  })
})
