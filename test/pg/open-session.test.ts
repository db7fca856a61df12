import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import tls from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import type { ConnectOptions } from '../../src/pg/connect-options.js'
import { openSession } from '../../src/pg/open-session.js'
import type { Session } from '../../src/pg/session.js'
import { errorResponse, frame, result } from '../support/backend-frames.js'
import { selfSigned } from '../support/certificates.js'
import {
  authentication,
  authenticationOk,
  greeting,
  type Peer,
  playScram,
  ScriptedServer,
  sasl,
} from '../support/scripted-server.js'

const SSL_REQUEST = 80877103
const PROTOCOL_3_0 = 196608

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function serve(script: (peer: Peer, connection: number) => Promise<void>): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(script)
  cleanups.push(() => server[Symbol.asyncDispose]())
  return server
}

/** Past the start-up packet, with an answer of `N` to SSLRequest if there is one. */
async function plainStartup(peer: Peer): Promise<Record<string, string>> {
  let packet = await peer.startup()
  if (packet.code === SSL_REQUEST) {
    peer.send(Buffer.from('N'))
    packet = await peer.startup()
  }
  expect(packet.code).toBe(PROTOCOL_3_0)
  return packet.parameters
}

const serveSettings = (settings: Record<string, string> = {}) =>
  serve(async (peer) => {
    await plainStartup(peer)
    peer.send(authenticationOk(), greeting(settings))
  })

async function open(
  servers: readonly ScriptedServer[],
  dsn = '',
  options: ConnectOptions = {},
): Promise<Session> {
  const hosts = servers.map(() => '127.0.0.1').join(',')
  const ports = servers.map((server) => server.port).join(',')
  const session = await openSession(
    { environment: { HOME: '/nonexistent' }, ...options, dsn: `host=${hosts} port=${ports} user=u ${dsn}` },
    'true',
  )
  cleanups.push(() => session.transport.destroy())
  return session
}

const at = (server: ScriptedServer) => `connection to server at "127.0.0.1", port ${server.port} failed: `
const serverError = (fields: Record<string, string>) =>
  errorResponse({ S: 'FATAL', V: 'FATAL', C: '28000', M: 'no', ...fields })

/** A port that nothing listens on. */
async function deadPort(): Promise<number> {
  const probe = net.createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as net.AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

describe('start-up', () => {
  it('sends the keys of a physical walsender and takes in what the server tells', async () => {
    let parameters: Record<string, string> = {}
    const server = await serve(async (peer) => {
      parameters = await plainStartup(peer)
      const version = Buffer.alloc(8)
      version.writeInt32BE(PROTOCOL_3_0)
      peer.send(frame('v', version), authenticationOk(), greeting({ in_hot_standby: 'off' }))
    })
    const session = await open([server], 'application_name=app', { options: '-c x=y' })
    expect(parameters).toEqual({
      user: 'u',
      database: 'replication',
      replication: 'true',
      options: '-c x=y',
      application_name: 'app',
      client_encoding: 'UTF8',
    })
    expect(session).toMatchObject({
      serverVersion: 180004,
      backendPid: 4711,
      host: '127.0.0.1',
      port: String(server.port),
      user: 'u',
      database: 'replication',
    })
    expect(session.parameters.get('in_hot_standby')).toBe('off')
  })

  it.each([
    ['10.23', 100023],
    ['9.6.24', 90624],
    ['18.4 (Debian 18.4-1.pgdg)', 180004],
    ['19devel', 190000],
    ['18beta1', 180000],
  ])('reads the version %s', async (text, number) => {
    const session = await open([await serveSettings({ server_version: text })])
    expect(session.serverVersion).toBe(number)
  })

  it('refuses a server whose times are floating-point numbers', async () => {
    await expect(open([await serveSettings({ integer_datetimes: 'off' })])).rejects.toThrow(
      '"integer_datetimes" compile flag does not match server',
    )
  })

  it("hands on the server's error with all its fields", async () => {
    const server = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(serverError({ C: '53300', M: 'too many', D: 'detail', H: 'hint' }))
    })
    await expect(open([server])).rejects.toMatchObject({
      message: `${at(server)}FATAL:  too many\nDETAIL:  detail\nHINT:  hint`,
      sqlState: '53300',
      retryable: true,
      hint: 'hint',
    })
  })

  it('passes notices on', async () => {
    const server = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(
        authenticationOk(),
        frame('N', serverError({ S: 'NOTICE', M: 'hello' }).subarray(5)),
        greeting(),
      )
    })
    const notices: string[] = []
    await open([server], '', { onNotice: (notice) => notices.push(notice.message) })
    expect(notices).toEqual(['hello'])
  })
})

describe('a Unix socket', () => {
  it.runIf(process.platform === 'linux').each([
    ['in a directory', (folder: string) => folder, ''],
    ['in the abstract name space', (folder: string) => `@${folder}`, '\0'],
  ])('%s never carries TLS', async (_, hostOf, mark) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'walship-socket-'))
    cleanups.push(() => rmSync(folder, { recursive: true }))
    const codes: number[] = []
    const server = await ScriptedServer.start(async (peer) => {
      codes.push((await peer.startup()).code)
      peer.send(authenticationOk(), greeting())
    }, `${mark}${folder}/.s.PGSQL.7`)
    cleanups.push(() => server[Symbol.asyncDispose]())
    const session = await openSession({ dsn: `host=${hostOf(folder)} port=7 user=u sslmode=require` }, 'true')
    cleanups.push(() => session.transport.destroy())
    expect([session.host, codes]).toEqual([hostOf(folder), [PROTOCOL_3_0]])
  })
})

describe('the answer to SSLRequest', () => {
  it('N goes on without TLS under prefer, and stops under require', async () => {
    const server = await serveSettings()
    expect((await open([server], 'sslmode=prefer')).transport.encrypted).toBe(false)
    await expect(open([server], 'sslmode=require')).rejects.toMatchObject({
      message: `${at(server)}server does not support SSL, but SSL was required`,
      retryable: false,
    })
  })

  it('anything but S and N is refused', async () => {
    const server = await serve(async (peer) => {
      await peer.startup()
      peer.send(Buffer.from('X'))
    })
    await expect(open([server])).rejects.toThrow('received invalid response to SSL negotiation: X')
  })

  it('a byte more than S was put there by someone on the line (CVE-2021-23222)', async () => {
    const server = await serve(async (peer) => {
      await peer.startup()
      peer.send(Buffer.from('S'), authenticationOk())
    })
    await expect(open([server])).rejects.toMatchObject({
      message: `${at(server)}received unencrypted data after SSL response`,
      retryable: false,
    })
    expect(server.connections).toBe(1)
  })

  it('a handshake that is cut off is tried again in the clear under prefer only', async () => {
    const server = await serve(async (peer, connection) => {
      const packet = await peer.startup()
      if (packet.code === SSL_REQUEST) {
        peer.send(Buffer.from('S'))
        await once(peer.socket, 'data')
        peer.socket.destroy()
        return
      }
      expect(connection).toBe(2)
      peer.send(authenticationOk(), greeting())
    })
    expect((await open([server], 'sslmode=prefer')).transport.encrypted).toBe(false)
    await expect(open([server], 'sslmode=require')).rejects.toMatchObject({ code: 'PG_TLS', retryable: true })
    expect(server.problems).toEqual([])
  })

  it('direct TLS needs a server that speaks ALPN', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'walship-direct-'))
    cleanups.push(() => rmSync(folder, { recursive: true }))
    const pair = selfSigned(folder, 'localhost')
    const options = { key: readFileSync(pair.key), cert: readFileSync(pair.certificate) }
    const sockets: tls.TLSSocket[] = []
    const server = tls.createServer(options, (socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
    })
    cleanups.push(() => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(resolve))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as net.AddressInfo
    await expect(
      openSession(
        { dsn: `host=127.0.0.1 port=${port} user=u sslmode=require sslnegotiation=direct` },
        'true',
      ),
    ).rejects.toThrow('direct SSL connection was established without ALPN protocol negotiation extension')
  })
})

describe('a false server', () => {
  it('that cannot sign is refused', async () => {
    const server = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(sasl('SCRAM-SHA-256'))
      await playScram(peer, 'sesame')
      peer.send(
        authentication(12, `v=${Buffer.alloc(32).toString('base64')}`),
        authenticationOk(),
        greeting(),
      )
    })
    await expect(open([server], 'password=sesame')).rejects.toMatchObject({
      message: `${at(server)}incorrect server signature`,
      retryable: false,
    })
    expect(server.problems).toEqual([])
  })

  it('that signs is accepted', async () => {
    const server = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(sasl('SCRAM-SHA-256'))
      const signature = await playScram(peer, 'sesame')
      peer.send(authentication(12, `v=${signature}`), authenticationOk(), greeting())
    })
    expect((await open([server], 'password=sesame')).passwordUsed).toBe('sesame')
  })

  it('that says OK in the middle of SCRAM is refused, before the proof and after it', async () => {
    const early = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(sasl('SCRAM-SHA-256'))
      await peer.message()
      peer.send(authenticationOk(), greeting())
    })
    const late = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(sasl('SCRAM-SHA-256'))
      await playScram(peer, 'sesame')
      peer.send(authenticationOk(), greeting())
    })
    for (const server of [early, late])
      await expect(open([server], 'password=sesame')).rejects.toThrow(
        'AuthenticationOk received from server, but SASL authentication was not completed',
      )
  })

  it('that changes to a cleartext password in the middle of SCRAM gets none', async () => {
    let answer: unknown
    const server = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(sasl('SCRAM-SHA-256'))
      await peer.message()
      peer.send(authentication(3))
      answer = await peer.message().catch(() => 'none')
    })
    await expect(open([server], 'password=sesame')).rejects.toThrow('changed the authentication method')
    await expect.poll(() => answer).toBe('none')
  })

  it.each([
    ['offers PLUS without TLS', [sasl('SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256')], 'over a non-SSL connection'],
    ['offers only OAuth', [sasl('OAUTHBEARER')], 'OAUTHBEARER (OAuth) authentication is not supported'],
    [
      'offers nothing known',
      [sasl('X')],
      "none of the server's SASL authentication mechanisms are supported",
    ],
    ['starts SASL twice', [sasl('SCRAM-SHA-256'), sasl('SCRAM-SHA-256')], 'duplicate SASL authentication'],
    ['continues SASL unasked', [authentication(11, 'r=x')], 'AUTH_REQ_SASL_CONT without AUTH_REQ_SASL'],
    ['ends SASL unasked', [authentication(12, 'v=x')], 'AUTH_REQ_SASL_CONT without AUTH_REQ_SASL'],
    ['wants GSSAPI', [authentication(7)], 'GSSAPI authentication is not supported'],
    ['wants SSPI', [authentication(9)], 'SSPI authentication is not supported'],
    ['wants Kerberos', [authentication(2)], 'Kerberos V5 authentication is not supported'],
    ['is ready without authentication', [greeting()], 'expected authentication request from server'],
  ])('that %s is refused', async (_, frames, message) => {
    const server = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(...frames)
    })
    await expect(open([server], 'password=sesame')).rejects.toThrow(message)
  })

  it('that lets us in and then refuses is not tried the other way', async () => {
    const server = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(authenticationOk(), serverError({ C: '42704', M: 'unrecognized configuration parameter' }))
    })
    await expect(open([server], 'sslmode=allow')).rejects.toMatchObject({ sqlState: '42704' })
    expect(server.connections).toBe(1)
  })

  it('gets no password a second time in the clear because it was wrong under TLS', async () => {
    const server = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(authentication(3))
      await peer.message()
      peer.send(serverError({ C: '28P01' }))
    })
    await expect(open([server], 'password=sesame sslmode=allow')).rejects.toMatchObject({ sqlState: '28P01' })
    expect(server.connections).toBe(1)
  })
})

describe('the password', () => {
  const passwordServer = () =>
    serve(async (peer) => {
      await plainStartup(peer)
      peer.send(authentication(3))
      const { body } = await peer.message()
      const right = body.toString() === 'sesame\0'
      peer.send(...(right ? [authenticationOk(), greeting()] : [serverError({ C: '28P01', M: 'wrong' })]))
    })

  it('is asked for once, with no connection open meanwhile', async () => {
    const server = await passwordServer()
    let asked = 0
    const session = await open([server], 'sslmode=disable', {
      password: () => {
        asked += 1
        return 'sesame'
      },
    })
    expect([asked, session.passwordUsed, server.connections]).toEqual([1, 'sesame', 2])
  })

  it('is not asked for again when the answer was wrong or empty', async () => {
    for (const answer of ['wrong', '']) {
      let asked = 0
      const password = () => {
        asked += 1
        return answer
      }
      await expect(open([await passwordServer()], 'sslmode=disable', { password })).rejects.toMatchObject({
        code: answer === '' ? 'PG_NO_PASSWORD' : 'PG_AUTHENTICATION',
      })
      expect(asked).toBe(1)
    }
  })

  it('is taken from elsewhere before anyone is asked', async () => {
    const session = await open([await passwordServer()], '', {
      environment: { PGPASSWORD: 'sesame' },
      password: () => Promise.reject(new Error('asked')),
    })
    expect(session.passwordUsed).toBe('sesame')
  })

  it('from the password file is per host', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'walship-passfile-'))
    cleanups.push(() => rmSync(folder, { recursive: true }))
    const server = await passwordServer()
    const passfile = path.join(folder, 'pgpass')
    writeFileSync(passfile, `127.0.0.1:${server.port}:replication:u:sesame\n`, { mode: 0o600 })
    expect((await open([server], '', { passfile })).passwordUsed).toBe('sesame')
    await expect(open([await passwordServer()], '', { passfile })).rejects.toThrow('no password supplied')
  })
})

describe('several hosts', () => {
  const refusing = (fields: Record<string, string>) =>
    serve(async (peer) => {
      await plainStartup(peer)
      peer.send(serverError(fields))
    })
  const standby = () => serveSettings({ in_hot_standby: 'on', default_transaction_read_only: 'off' })
  const primary = () => serveSettings({ in_hot_standby: 'off', default_transaction_read_only: 'off' })
  const readOnlyPrimary = () => serveSettings({ in_hot_standby: 'off', default_transaction_read_only: 'on' })

  it('a dead one, one that hangs up and one that is starting up give way to the next', async () => {
    const starting = await refusing({ C: '57P03', M: 'starting up' })
    const hangingUp = await serve(async (peer) => {
      await plainStartup(peer)
      peer.socket.destroy()
    })
    const good = await serveSettings()
    const dead = { port: await deadPort() } as ScriptedServer
    const session = await open([dead, starting, hangingUp, good])
    expect(session.port).toBe(String(good.port))
    expect(starting.connections).toBe(1)
  })

  it('one that refuses the role ends the search', async () => {
    const refused = await refusing({ C: '28000' })
    const good = await serveSettings()
    await expect(open([refused, good])).rejects.toMatchObject({ sqlState: '28000', retryable: false })
    expect(good.connections).toBe(0)
  })

  it('the error tells of every address, and libpq asks its question', async () => {
    const ports = [await deadPort(), await deadPort()]
    const text = (port: number) =>
      `connection to server at "127.0.0.1", port ${port} failed: Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?`
    await expect(open(ports.map((port) => ({ port }) as ScriptedServer))).rejects.toMatchObject({
      message: ports.map(text).join('\n'),
      retryable: true,
    })
  })

  it('a socket that is not there', async () => {
    await expect(openSession({ host: '/nonexistent', port: 1, user: 'u' }, 'true')).rejects.toMatchObject({
      message:
        'connection to server on socket "/nonexistent/.s.PGSQL.1" failed: No such file or directory\n\tIs the server running locally and accepting connections on that socket?',
      retryable: true,
    })
  })

  it.each([
    ['any', [0]],
    ['read-write', [2]],
    ['primary', [1]],
    ['standby', [0]],
    ['read-only', [0]],
    ['prefer-standby', [0]],
  ])('target_session_attrs=%s', async (wanted, [index]) => {
    const servers = [await standby(), await readOnlyPrimary(), await primary()]
    const session = await open(servers, '', { targetSessionAttrs: wanted })
    expect(session.port).toBe(String(servers[index!]!.port))
  })

  it('target_session_attrs says why no host would do, and may be right later', async () => {
    const servers = [await primary(), await readOnlyPrimary()]
    await expect(open(servers, 'target_session_attrs=standby')).rejects.toMatchObject({
      message: servers.map((server) => `${at(server)}server is not in hot standby mode`).join('\n'),
      retryable: true,
    })
    await expect(open([await standby()], 'target_session_attrs=primary')).rejects.toThrow(
      'in hot standby mode',
    )
    await expect(open([await standby()], 'target_session_attrs=read-write')).rejects.toThrow(
      'session is read-only',
    )
    const preferred = await open(servers, 'target_session_attrs=prefer-standby')
    expect(preferred.port).toBe(String(servers[0]!.port))
  })

  it('a server before 14 is asked, or it cannot be known', async () => {
    const answers: string[] = []
    const old = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(authenticationOk(), greeting({ server_version: '13.23' }))
      answers.push((await peer.message()).body.toString())
      peer.send(result(['transaction_read_only'], [['on']]))
    })
    await expect(open([old], 'target_session_attrs=read-only')).resolves.toBeDefined()
    expect(answers).toEqual(['SHOW transaction_read_only\0'])
    await expect(open([old], 'target_session_attrs=primary')).rejects.toThrow(
      'target_session_attrs=primary cannot be decided',
    )
  })

  it('load_balance_hosts=random reaches all of them', async () => {
    const servers = [await serveSettings(), await serveSettings()]
    for (let tries = 0; tries < 200 && servers.some((server) => server.connections === 0); tries += 1)
      (await open(servers, 'load_balance_hosts=random')).transport.destroy()
    expect(servers.every((server) => server.connections > 0)).toBe(true)
  })
})

describe('time and abort', () => {
  const silent = () => serve((peer) => peer.closed())

  it('a server that says nothing gives way to the next after connect_timeout', async () => {
    const mute = await silent()
    const good = await serveSettings()
    const session = await open([mute, good], '', { connectTimeoutMs: 50 })
    expect(session.port).toBe(String(good.port))
    await expect(open([mute], 'sslmode=disable', { connectTimeoutMs: 50 })).rejects.toMatchObject({
      message: `${at(mute)}timeout expired`,
      code: 'PG_CONNECT_TIMEOUT',
      retryable: true,
    })
  })

  it.each([
    ['while it waits for the answer to SSLRequest', 'sslmode=require', async () => {}],
    [
      'in the middle of the TLS handshake',
      'sslmode=require',
      async (peer: Peer) => {
        peer.send(Buffer.from('S'))
        await once(peer.socket, 'data')
      },
    ],
    ['while it waits for authentication', 'sslmode=disable', async () => {}],
    [
      'while it waits for the last message',
      'sslmode=disable',
      async (peer: Peer) => peer.send(authenticationOk()),
    ],
  ])('an abort %s closes the connection', async (_, dsn, reply) => {
    const controller = new AbortController()
    const reason = new Error('enough')
    let closed: () => void
    const clientGone = new Promise<void>((resolve) => {
      closed = resolve
    })
    const server = await serve(async (peer) => {
      await peer.startup()
      await reply(peer)
      controller.abort(reason)
      await peer.closed()
      closed()
    })
    await expect(open([server], dsn, { signal: controller.signal })).rejects.toBe(reason)
    await clientGone
  })

  it('an abort before the start opens nothing', async () => {
    const server = await serveSettings()
    const reason = new Error('enough')
    await expect(open([server], '', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(server.connections).toBe(0)
  })

  it('an abort ends the wait for a password', async () => {
    const server = await serve(async (peer) => {
      await plainStartup(peer)
      peer.send(authentication(3))
    })
    const controller = new AbortController()
    const reason = new Error('enough')
    const password = () => {
      controller.abort(reason)
      return new Promise<string>(() => {})
    }
    await expect(open([server], '', { password, signal: controller.signal })).rejects.toBe(reason)
  })
})
