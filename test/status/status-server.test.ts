import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:https'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  buildSnapshot,
  DEFAULT_THRESHOLDS,
  StatusServer,
  type StatusServerOptions,
} from '../../src/status/index.js'
import { selfSigned } from '../support/certificates.js'
import { knownFacts } from './known-facts.js'

const SECURITY = [
  'content-security-policy',
  'x-content-type-options',
  'referrer-policy',
  'cross-origin-resource-policy',
  'cross-origin-opener-policy',
]

async function serve(options: Partial<StatusServerOptions> = {}): Promise<StatusServer> {
  const server = await StatusServer.listen({
    host: '127.0.0.1',
    port: 0,
    clusters: () => [buildSnapshot(knownFacts(), DEFAULT_THRESHOLDS)],
    history: () => [],
    onError: (error) => {
      throw error
    },
    ...options,
  })
  onTestFinished(() => server.close())
  return server
}

/** Raw bytes, so that nothing puts a path or a header in order before it is sent. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', (bytes) => {
      answer += bytes
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? resolve(answer) : reject(error),
    )
    socket.on('close', () => resolve(answer))
  })
}

const ask = (port: number, path: string, more = '') =>
  raw(port, `GET ${path} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\n${more}\r\n`)

describe('the paths', () => {
  it('answer what they are for', async () => {
    const { port } = await serve()
    for (const [path, type, part] of [
      ['/', 'text/html', '<title>walship</title>'],
      ['/metrics', 'text/plain; version=0.0.4', 'walship_streaming 1'],
      ['/healthz', 'text/plain', 'ok'],
      ['/readyz', 'text/plain', 'ready'],
      ['/status.json', 'application/json', '"formatVersion":1'],
      ['/history.json', 'application/json', '[]'],
      ['/status.json?x=1', 'application/json', '"formatVersion":1'],
    ] as const) {
      const answer = await ask(port, path)
      expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/)
      expect(answer).toContain(`content-type: ${type}`)
      expect(answer).toContain(part)
      for (const header of SECURITY) expect(answer).toContain(`${header}: `)
    }
  })

  it.each([
    '/../../etc/passwd',
    '/..%2f..%2fetc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '//etc/passwd',
    '/status.json/../../etc/passwd',
    'http://localhost/../etc/passwd',
    '/__proto__',
    '/metrics%00',
  ])('are a fixed set: %s is nothing', async (path) => {
    const { port } = await serve()
    const answer = await ask(port, path)
    expect(answer).toMatch(/^HTTP\/1.1 404 /)
    expect(answer).not.toContain('root:')
  })

  it('are only for reading', async () => {
    const { port } = await serve()
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
      const answer = await raw(
        port,
        `${method} /status.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      )
      expect(answer).toMatch(/^HTTP\/1.1 405 /)
    }
  })

  it('say no more than yes or no to who does not know the token', async () => {
    const stream = { ...knownFacts().stream, state: 'paused' as const }
    const clusters = () => [buildSnapshot(knownFacts({ stream }), DEFAULT_THRESHOLDS)]
    const { port } = await serve({ token: 'secret', clusters })
    expect(await ask(port, '/readyz')).toMatch(/^HTTP\/1.1 503 [\s\S]*\r\n\r\nnot ready\n$/)
    expect(await ask(port, '/readyz', 'Authorization: Bearer secret\r\n')).toContain('too little free space')
    Object.assign(stream, { state: 'standby', standby: 'another receiver is at work' })
    expect(await ask(port, '/readyz')).toMatch(/^HTTP\/1.1 200 [\s\S]*\r\n\r\nstandby\n$/)
    expect(await ask(port, '/readyz', 'Authorization: Bearer secret\r\n')).toContain('receiver is at work')
  })
})

describe('the token', () => {
  it('opens as bearer and as the password of Basic', async () => {
    const { port } = await serve({ token: 'se:cret' })
    const basic = Buffer.from('anyone:se:cret').toString('base64')
    for (const value of ['Bearer se:cret', 'bearer se:cret', `Basic ${basic}`]) {
      expect(await ask(port, '/status.json', `Authorization: ${value}\r\n`)).toMatch(/^HTTP\/1.1 200 /)
    }
  })

  it('keeps everything but the two probes closed', async () => {
    const { port } = await serve({ token: 'secret' })
    for (const path of ['/', '/metrics', '/status.json', '/history.json', '/nothing']) {
      for (const more of [
        '',
        'Authorization: Bearer wrong\r\n',
        'Authorization: Bearer\r\n',
        'Authorization: x\r\n',
      ]) {
        const answer = await ask(port, path, more)
        expect(answer).toMatch(/^HTTP\/1.1 401 /)
        expect(answer).toContain('www-authenticate: Basic')
      }
    }
    expect(await ask(port, '/healthz')).toMatch(/^HTTP\/1.1 200 /)
  })
})

describe('strangers', () => {
  it('cannot have a browser ask under a name of their own', async () => {
    const { port } = await serve()
    const under = (host: string) =>
      raw(port, `GET /status.json HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    expect(await under(`evil.example:${port}`)).toMatch(/^HTTP\/1.1 421 /)
    expect(await under(`localhost.evil.example`)).toMatch(/^HTTP\/1.1 421 /)
    expect(await under(`127.0.0.1:${port}`)).toMatch(/^HTTP\/1.1 200 /)
    expect(await under(`[::1]:${port}`)).toMatch(/^HTTP\/1.1 200 /)
  })

  it('get nowhere with large requests', async () => {
    const { port } = await serve()
    expect(await ask(port, `/${'a'.repeat(100_000)}`)).not.toContain('200 OK')
    expect(await ask(port, '/status.json', `X: ${'a'.repeat(100_000)}\r\n`)).not.toContain('200 OK')
    expect(await ask(port, '/status.json', 'Content-Length: 1000000000\r\n')).toMatch(/^HTTP\/1.1 413 /)
    expect(await ask(port, '/healthz')).toMatch(/^HTTP\/1.1 200 /)
  })

  it('cannot take all connections for long, or keep it from closing', async () => {
    const server = await serve({ patienceMs: 1000 })
    const sockets: Socket[] = []
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
    })
    for (let index = 0; index < 80; index += 1) {
      const socket = connect(server.port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write('GET /status.json HTTP/1.1\r\nHost: local')
      sockets.push(socket)
    }
    // Those that say nothing more are dropped after the time they get, and then there is room again.
    const dropped = Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    )
    await dropped
    expect(await ask(server.port, '/healthz')).toMatch(/^HTTP\/1.1 200 /)
    const hanging = connect(server.port, '127.0.0.1')
    hanging.on('error', () => {})
    hanging.write('GET /')
    await new Promise((resolve) => hanging.once('connect', resolve))
    await server.close()
  })

  it.each([
    ['a header letter by letter', 'GET /status.json HTTP/1.1\r\nHost: localhost\r\nX: ', 'a'],
    [
      'a body without end',
      'GET /status.json HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n',
      '1\r\na\r\n',
    ],
  ])('cannot keep a connection by sending %s', async (_, beginning, drop) => {
    const { port } = await serve({ patienceMs: 500 })
    const socket = connect(port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {})
    socket.resume()
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.write(beginning)
    // Faster than any silence is noticed.
    const dripping = setInterval(() => socket.write(drop), 50)
    onTestFinished(() => clearInterval(dripping))
    await closed
    expect(await ask(port, '/healthz')).toMatch(/^HTTP\/1.1 200 /)
  })

  it('get no tunnel and no other protocol', async () => {
    const { port } = await serve()
    expect(await raw(port, 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: localhost\r\n\r\n')).toBe('')
    const upgrade = await ask(port, '/nothing', 'Upgrade: websocket\r\n')
    expect(upgrade).not.toContain('101 ')
    expect(await ask(port, '/healthz')).toMatch(/^HTTP\/1.1 200 /)
  })

  it('who do not read their answers are dropped', async () => {
    const { port } = await serve({ patienceMs: 1000 })
    const socket = connect(port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    socket.pause()
    const dropped = new Promise((resolve) => socket.once('error', resolve))
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3000))
    expect(await ask(port, '/healthz')).toMatch(/^HTTP\/1.1 200 /)
    // Only who writes or reads learns of it; this one writes.
    const writing = setInterval(() => socket.write('GET '), 100)
    onTestFinished(() => clearInterval(writing))
    expect(await dropped).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) })
  })
})

describe('TLS', () => {
  it('is spoken with a certificate and its key', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'walship-status-tls-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const { key, certificate } = selfSigned(folder, 'localhost')
    const cert = readFileSync(certificate)
    const server = await serve({ tls: { cert, key: readFileSync(key) } })
    expect(server.url).toBe(`https://127.0.0.1:${server.port}/`)
    const body = await new Promise<string>((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        servername: 'localhost',
        port: server.port,
        path: '/healthz',
        ca: cert,
      }
      request(options, (answer) => answer.setEncoding('utf8').on('data', resolve))
        .on('error', reject)
        .end()
    })
    expect(body).toBe('ok\n')
    expect(await ask(server.port, '/healthz')).not.toContain('200 OK')
  })

  it('refuses a key that is none', async () => {
    await expect(serve({ tls: { cert: Buffer.from('x'), key: Buffer.from('y') } })).rejects.toThrow()
  })
})

describe('trouble', () => {
  it('of the snapshot is status 500 and told, and the next one is answered', async () => {
    const told: unknown[] = []
    let broken = true
    const { port } = await serve({
      clusters: () => {
        if (broken) throw new Error('broken')
        return [buildSnapshot(knownFacts(), DEFAULT_THRESHOLDS)]
      },
      onError: (error) => told.push(error),
    })
    const answer = await ask(port, '/status.json')
    expect(answer).toMatch(/^HTTP\/1.1 500 /)
    expect(answer).not.toContain('broken')
    expect(told).toMatchObject([{ message: 'broken' }])
    broken = false
    expect(await ask(port, '/status.json')).toMatch(/^HTTP\/1.1 200 /)
  })

  it('of an address that is taken rejects', async () => {
    const { port } = await serve()
    await expect(serve({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})
