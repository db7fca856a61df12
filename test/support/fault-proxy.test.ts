import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  errorInSuccess,
  FaultProxy,
  internalError,
  lostResponse,
  type Moment,
  slowDown,
} from './fault-proxy.js'
import { describeWithS3, openTestBucket, s3Client } from './s3-server.js'

const BODY = Buffer.from('0123456789'.repeat(1000))

/** How a client may see a reset: while it reads, while it writes. */
const RESET = ['ECONNRESET', 'EPIPE']

/** The code of the connection error that a request ends with. */
async function errorCode(sent: Promise<unknown>): Promise<string | undefined> {
  const error = await sent.then(
    () => new Error('it was answered'),
    (failure: Error) => failure,
  )
  return (error.cause as NodeJS.ErrnoException | undefined)?.code
}

/** A server that remembers what was put and gives it back. */
class Shelf {
  readonly objects = new Map<string, Buffer>()
  readonly #server = http.createServer(async (request, response) => {
    const key = request.url ?? ''
    if (request.method === 'PUT') this.objects.set(key, Buffer.concat(await request.toArray()))
    const body = request.method === 'GET' ? (this.objects.get(key) ?? Buffer.alloc(0)) : Buffer.alloc(0)
    response.writeHead(200, { 'content-length': body.length, 'x-host': request.headers.host }).end(body)
  })

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

describe('the fault proxy', () => {
  let shelf: Shelf
  let proxy: FaultProxy
  const send = async (method: string, key: string, body?: Buffer, signal?: AbortSignal) => {
    const response = await fetch(`${proxy.endpoint}/bucket/${key}`, { method, body, signal })
    return {
      status: response.status,
      body: Buffer.from(await response.arrayBuffer()),
      headers: response.headers,
    }
  }

  beforeEach(async () => {
    shelf = new Shelf()
    proxy = await FaultProxy.start(await shelf.listen())
  })
  afterEach(async () => {
    await proxy.stop()
    shelf.close()
  })

  it('lets requests through untouched, with the Host header they came with, and counts them', async () => {
    await send('PUT', 'wal/a%20b', BODY)
    const { body, headers } = await send('GET', 'wal/a%20b')
    expect(body.equals(BODY)).toBe(true)
    expect(headers.get('x-host')).toBe(new URL(proxy.endpoint).host)
    expect(proxy.requests).toMatchObject([
      {
        method: 'PUT',
        bucket: 'bucket',
        key: 'wal/a b',
        requestBytes: BODY.length,
        status: 200,
        fault: null,
      },
      { method: 'GET', key: 'wal/a b', requestBytes: 0, responseBytes: BODY.length, reachedServer: true },
    ])
    expect(proxy.count({ method: 'PUT', key: /^wal\// })).toBe(1)
  })

  it.each([
    { fault: slowDown, status: 503, code: 'SlowDown' },
    { fault: internalError, status: 500, code: 'InternalError' },
    { fault: errorInSuccess, status: 200, code: 'InternalError' },
  ])('answers $status $code for the server', async ({ fault, status, code }) => {
    proxy.plan({ method: 'PUT' }, fault)
    const answer = await send('PUT', 'key', BODY)
    expect(answer.status).toBe(status)
    expect(String(answer.body)).toContain(`<Code>${code}</Code>`)
    expect(shelf.objects.size).toBe(0)
    expect((await send('PUT', 'key', BODY)).body).toHaveLength(0)
    expect(shelf.objects.size).toBe(1)
  })

  it.each<[Moment, boolean]>([
    ['before body', false],
    ['in body', false],
    ['after body', false],
    ['before response', true],
    ['in response', true],
  ])('resets and stalls %s; the server has seen the request: %s', async (at, seen) => {
    shelf.objects.set('/bucket/read', BODY)
    const reset = proxy.plan({ method: 'PUT' }, { kind: 'reset', at })
    if (at !== 'in response') {
      expect(RESET).toContain(await errorCode(send('PUT', 'reset', BODY)))
      expect(reset.hits).toBe(1)
      expect(shelf.objects.has('/bucket/reset')).toBe(seen)
    }
    proxy.heal()
    proxy.plan({ key: 'read' }, { kind: 'reset', at })
    await expect(send('GET', 'read')).rejects.toThrow()

    const stall = proxy.plan({ key: 'read' }, { kind: 'stall', at })
    const patience = new AbortController()
    const stalled = send('GET', 'read', undefined, patience.signal)
    await stall.hit()
    patience.abort(new Error('out of patience'))
    await expect(stalled).rejects.toThrow('out of patience')
    expect((await send('GET', 'read')).body.equals(BODY)).toBe(true)
  })

  it('loses the response to a request that was done', async () => {
    proxy.plan({ key: 'key' }, lostResponse)
    await expect(send('PUT', 'key', BODY)).rejects.toThrow()
    expect(shelf.objects.get('/bucket/key')?.equals(BODY)).toBe(true)
    expect(proxy.requests[0]).toMatchObject({ fault: 'reset', reachedServer: true, status: null })
  })

  it('cuts, shortens and corrupts the body of an answer', async () => {
    await send('PUT', 'key', BODY)
    for (const bytes of [0, 100]) {
      proxy.plan({ method: 'GET' }, { kind: 'truncate', bytes, announced: 'all' })
      await expect(send('GET', 'key')).rejects.toThrow('terminated')
      proxy.heal()
    }
    proxy.plan({ method: 'GET' }, { kind: 'truncate', bytes: 100, announced: 'short' })
    expect((await send('GET', 'key')).body.equals(BODY.subarray(0, 100))).toBe(true)
    proxy.plan({ method: 'GET' }, { kind: 'corrupt' })
    const { body } = await send('GET', 'key')
    expect(body.filter((byte, index) => byte !== BODY[index])).toHaveLength(1)
    expect((await send('GET', 'key')).body.equals(BODY)).toBe(true)
  })

  it('holds a request until it is let go, and the others pass it', async () => {
    let letGo = () => {}
    const until = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const rule = proxy.plan({ key: 'held' }, { kind: 'hold', at: 'after body', until })
    const held = send('PUT', 'held', BODY)
    await rule.hit()
    await send('PUT', 'other', BODY)
    expect([...shelf.objects.keys()]).toEqual(['/bucket/other'])
    letGo()
    expect((await held).status).toBe(200)
    expect(shelf.objects.has('/bucket/held')).toBe(true)
  })

  it('does a fault to the nth matching request, and as often as it is told', async () => {
    const rule = proxy.plan({ method: 'PUT', key: /^wal/ }, slowDown, { nth: 2, times: 2 })
    const statuses: number[] = []
    for (const key of ['wal/1', 'other', 'wal/2', 'wal/3', 'wal/4']) {
      statuses.push((await send('PUT', key, BODY)).status)
    }
    expect(statuses).toEqual([200, 200, 503, 503, 200])
    expect(rule.hits).toBe(2)
    const always = proxy.plan({}, slowDown, { times: Number.POSITIVE_INFINITY })
    expect((await send('GET', 'a')).status).toBe(503)
    expect((await send('GET', 'b')).status).toBe(503)
    always.remove()
    expect((await send('GET', 'c')).status).toBe(200)
  })

  it('refuses connections while the store is down, cuts what is under way, and comes back', async () => {
    const { endpoint } = proxy
    const rule = proxy.plan({}, { kind: 'stall', at: 'after body' })
    const underWay = expect(send('PUT', 'key', BODY)).rejects.toThrow()
    await rule.hit()
    await proxy.refuse()
    await underWay
    expect(await errorCode(send('GET', 'key'))).toBe('ECONNREFUSED')
    await proxy.accept()
    expect(proxy.endpoint).toBe(endpoint)
    expect((await send('PUT', 'key', BODY)).status).toBe(200)
  })

  it('resets when the server behind is down', async () => {
    shelf.close()
    expect(RESET).toContain(await errorCode(send('GET', 'key')))
    expect(proxy.requests[0]).toMatchObject({ reachedServer: false, status: null })
  })
})

describeWithS3('the fault proxy before an S3 server', () => {
  it('passes signed requests and their answers on', async () => {
    await using bucket = await openTestBucket()
    await using proxy = await FaultProxy.start(bucket.endpoint)
    const client = s3Client(bucket, proxy.endpoint)
    const object = { Bucket: bucket.bucket, Key: `${bucket.prefix}/a key/with+odd=letters` }
    try {
      // Large enough for the client to ask first whether it may send (Expect: 100-continue).
      const Body = Buffer.alloc(5 * 1024 * 1024, 'wal')
      await client.send(new PutObjectCommand({ ...object, Body, IfNoneMatch: '*' }))
      const answer = await client.send(new GetObjectCommand(object))
      expect(Body.equals(await answer.Body!.transformToByteArray())).toBe(true)
      proxy.plan({ method: 'GET', key: object.Key }, slowDown)
      const throttled = client.send(new GetObjectCommand(object))
      await expect(throttled).rejects.toMatchObject({ name: 'SlowDown', $metadata: { httpStatusCode: 503 } })
      proxy.plan({ method: 'PUT' }, lostResponse)
      const second = { ...object, Key: `${bucket.prefix}/second`, Body: 'x', IfNoneMatch: '*' }
      await expect(client.send(new PutObjectCommand(second))).rejects.toThrow()
      const again = client.send(new PutObjectCommand(second))
      await expect(again).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } })
    } finally {
      client.destroy()
    }
  })
})
