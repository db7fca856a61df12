import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { openStore, type StoreOptions } from '../../src/store/index.js'
import { type KeyPair, selfSigned, signedBy } from '../support/certificates.js'
import { describeWithOwnS3, S3Server } from '../support/s3-server.js'

const CREATE = { kind: 'wal', ifAbsent: true } as const

/** A proxy as companies have it: tunnels for https, whole URLs for http. */
class CompanyProxy {
  readonly asked: string[] = []
  readonly #sockets = new Set<net.Socket>()
  readonly #server = http
    .createServer((request, response) => {
      this.asked.push(request.method ?? '')
      const { method, headers } = request
      const onward = http.request(request.url ?? '', { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      request.pipe(onward)
    })
    .on('connect', (request, socket, head) => {
      this.asked.push('CONNECT')
      const [host, port] = (request.url ?? '').split(':')
      const onward = net.connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        onward.write(head)
        onward.pipe(socket).pipe(onward)
      })
      for (const end of [onward, socket as net.Socket]) {
        this.#sockets.add(end)
        end.on('error', () => end.destroy())
      }
    })

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

describeWithOwnS3('the way to s3', () => {
  let folder: string
  let authority: KeyPair
  let secure: S3Server
  let plain: S3Server
  const proxy = new CompanyProxy()
  let proxyUrl: string

  const open = (server: S3Server, more: StoreOptions = {}) => {
    const { endpoint, region, accessKeyId, secretAccessKey } = server
    const s3 = { endpoint, region, credentials: { accessKeyId, secretAccessKey }, attempts: 1, ...more.s3 }
    return openStore(`s3://${server.bucket}/net`, { ...more, s3 })
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'walship-net-'))
    authority = selfSigned(folder, 'authority')
    const tls = signedBy(authority, folder, 'server', { alternativeNames: 'IP:127.0.0.1' })
    secure = await S3Server.start({ tls })
    plain = await S3Server.start()
    proxyUrl = await proxy.listen()
  })
  afterAll(async () => {
    proxy.close()
    await secure.stop()
    await plain.stop()
    await rm(folder, { recursive: true, force: true })
  })
  beforeEach(() => {
    proxy.asked.length = 0
  })

  it('trusts the authority that the CA file names, and no other', async () => {
    const stranger = await open(secure)
    await expect(stranger.get('k')).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      hint: expect.stringContaining('--s3-ca-file'),
    })
    await stranger.close()
    const friend = await open(secure, { s3: { caFile: authority.certificate } })
    expect(await friend.put('k', Buffer.from('x'), CREATE)).toBe('created')
    await friend.close()
    const byVariable = await open(secure, { environment: { AWS_CA_BUNDLE: authority.certificate } })
    expect((await byVariable.get('k'))?.body.toString()).toBe('x')
    await byVariable.close()
  })

  it.each([
    ['https', 'CONNECT'],
    ['http', 'PUT'],
  ] as const)('leads through the proxy that the environment names for %s', async (scheme, method) => {
    const server = scheme === 'https' ? secure : plain
    const s3 = { caFile: authority.certificate }
    const environment = { [`${scheme}_proxy`]: proxyUrl }
    const store = await open(server, { s3, environment })
    const body = Buffer.alloc(300_000, scheme)
    expect(await store.put(`proxied-${scheme}`, body, CREATE)).toBe('created')
    expect((await store.get(`proxied-${scheme}`))?.body.equals(body)).toBe(true)
    await store.close()
    expect(proxy.asked).toContain(method)
  })

  it('goes around the proxy for hosts that need none', async () => {
    const environment = { http_proxy: proxyUrl, no_proxy: '127.0.0.1' }
    const store = await open(plain, { environment })
    expect(await store.put('direct', Buffer.from('x'), CREATE)).toBe('created')
    await store.close()
    expect(proxy.asked).toEqual([])
  })

  it('is over when the proxy is not there', async () => {
    const environment = { http_proxy: 'http://127.0.0.1:1' }
    const store = await open(plain, { environment })
    await expect(store.get('k')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    await store.close()
  })
})
