import { createHash, randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type ObjectStore,
  openStore,
  type PutOptions,
  type StoreOptions,
  WalArchive,
} from '../../src/store/index.js'
import { noise, walLikeBytes } from '../codec/sample-data.js'
import {
  errorInSuccess,
  type Fault,
  FaultProxy,
  internalError,
  lostResponse,
  slowDown,
} from '../support/fault-proxy.js'
import { describeWithS3, openTestBucket, type TestBucket } from '../support/s3-server.js'

const CREATE: PutOptions = { kind: 'wal', ifAbsent: true }
const BODY = randomBytes(300_000)

describeWithS3('s3 through a faulty network', () => {
  let bucket: TestBucket
  let proxy: FaultProxy
  let store: ObjectStore
  let folder = 0

  const open = (more: StoreOptions['s3'] = {}) => {
    const { region, accessKeyId, secretAccessKey } = bucket
    return openStore(`${bucket.url}/faults${folder}`, {
      s3: { endpoint: proxy.endpoint, region, credentials: { accessKeyId, secretAccessKey }, ...more },
    })
  }

  beforeAll(async () => {
    bucket = await openTestBucket()
    proxy = await FaultProxy.start(bucket.endpoint)
  })
  afterAll(async () => {
    await proxy.stop()
    await bucket[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    folder++
    store = await open()
    // The probe for conditional puts is done with.
    await store.put('first', Buffer.from('x'), CREATE)
    proxy.forget()
  })
  afterEach(async () => {
    proxy.heal()
    await proxy.accept()
    await store.close()
  })

  const transient: [string, Fault][] = [
    ['503 SlowDown', slowDown],
    ['500 InternalError', internalError],
    ['an error inside a 200', errorInSuccess],
    ['409 ConditionalRequestConflict', { kind: 'error', status: 409, code: 'ConditionalRequestConflict' }],
    ['400 RequestTimeout', { kind: 'error', status: 400, code: 'RequestTimeout' }],
    ['a reset before the body', { kind: 'reset', at: 'before body' }],
    ['a reset in the body', { kind: 'reset', at: 'in body' }],
    ['a reset after the body', { kind: 'reset', at: 'after body' }],
  ]

  it.each(transient)('put: %s is tried again', async (_, fault) => {
    proxy.plan({ method: 'PUT', key: /\/k$/ }, fault, { times: 2 })
    expect(await store.put('k', BODY, CREATE)).toBe('created')
    expect(proxy.count({ method: 'PUT', key: /\/k$/ })).toBe(3)
    expect((await store.get('k'))?.body.equals(BODY)).toBe(true)
  })

  it.each([
    ...transient.filter(([name]) => !name.includes('body')),
    ['a reset in the answer', { kind: 'reset', at: 'in response' }],
    ['a truncated body', { kind: 'truncate', bytes: 1000, announced: 'all' }],
  ] as [string, Fault][])('get: %s is tried again', async (_, fault) => {
    await store.put('k', BODY, CREATE)
    proxy.plan({ method: 'GET', key: /\/k$/ }, fault, { times: 2 })
    expect((await store.get('k'))?.body.equals(BODY)).toBe(true)
    expect(proxy.count({ method: 'GET', key: /\/k$/ })).toBe(3)
  })

  it.each([slowDown, internalError, errorInSuccess, lostResponse])(
    'list: %j is tried again, never an empty list',
    async (fault) => {
      proxy.plan({ method: 'GET' }, fault, { times: 2 })
      const keys: string[] = []
      for await (const { key } of store.list('')) keys.push(key)
      expect(keys).toEqual(['first'])
    },
  )

  it('list: an error inside a 200 that does not end is an error', async () => {
    proxy.plan({ method: 'GET' }, errorInSuccess, { times: Infinity })
    await expect(store.list('')[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      name: 'StoreError',
      retryable: true,
    })
  })

  it('head and delete are tried again', async () => {
    await store.put('k', BODY, CREATE)
    proxy.plan({ method: 'HEAD' }, slowDown, { times: 2 })
    expect((await store.head('k'))?.size).toBe(BODY.length)
    proxy.plan({ method: 'DELETE' }, lostResponse)
    await store.delete(['k'])
    expect(await store.head('k')).toBeNull()
  })

  it('a put that was done and whose answer got lost is found to be there', async () => {
    proxy.plan({ method: 'PUT', key: /\/k$/ }, lostResponse)
    expect(await store.put('k', BODY, CREATE)).toBe('exists')
    expect((await store.get('k'))?.body.equals(BODY)).toBe(true)
  })

  it('what does not end is reported, with its kind', async () => {
    const impatient = await open({ attempts: 2, conditionalPut: 'on' })
    proxy.plan({ method: 'PUT' }, slowDown, { times: Infinity })
    await expect(impatient.put('k', BODY, CREATE)).rejects.toMatchObject({
      code: 'STORE_THROTTLED',
      retryable: true,
      message: expect.stringMatching(/^could not store "k" in s3:\/\/.*: status 503 SlowDown/),
    })
    expect(proxy.count({ method: 'PUT' })).toBe(2)
    proxy.heal()
    await proxy.refuse()
    await expect(impatient.put('k', BODY, CREATE)).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      message: expect.stringContaining('Connection refused'),
    })
    await proxy.accept()
    expect(await impatient.put('k', BODY, CREATE)).toBe('created')
    await impatient.close()
  })

  it('a store that stands still is given up on', async () => {
    const impatient = await open({ attempts: 1, idleTimeoutMs: 200, conditionalPut: 'on' })
    proxy.plan({ method: 'PUT' }, { kind: 'stall', at: 'after body' })
    await expect(impatient.put('k', BODY, CREATE)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    await store.put('k', BODY, CREATE)
    proxy.plan({ method: 'GET' }, { kind: 'stall', at: 'in response' })
    await expect(impatient.get('k')).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    await impatient.close()
  })

  it('a request that never ends is given up on', async () => {
    const impatient = await open({ attempts: 1, requestTimeoutMs: 200, conditionalPut: 'on' })
    proxy.plan({ method: 'PUT' }, { kind: 'stall', at: 'in body' })
    await expect(impatient.put('k', BODY, CREATE)).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      message: expect.stringContaining('not done within 0.2 s'),
    })
    await impatient.close()
  })

  it('a signal ends a request that stands still', async () => {
    const controller = new AbortController()
    const reason = new Error('stop')
    proxy.plan({ method: 'PUT' }, { kind: 'stall', at: 'in body' })
    const put = store.put('k', BODY, { ...CREATE, signal: controller.signal })
    put.catch(() => {})
    while (proxy.count({ method: 'PUT' }) === 0) await new Promise(setImmediate)
    controller.abort(reason)
    await expect(put).rejects.toBe(reason)
  })

  it('a body that is not what was signed is refused by the store', async () => {
    const once = await open({ attempts: 1, conditionalPut: 'on' })
    const body = Buffer.from(BODY)
    const put = once.put('k', body, CREATE)
    // A body of this size is hashed before the call returns, and sent after.
    body[200_000]! ^= 1
    await expect(put).rejects.toMatchObject({ code: 'STORE_CORRUPT', retryable: true })
    expect(await once.head('k')).toBeNull()
    await once.close()
  })

  it('wrong credentials and a missing bucket are told apart from a missing object', async () => {
    const { region, accessKeyId, secretAccessKey, endpoint } = bucket
    const wrong = await openStore(bucket.url, {
      s3: { endpoint, region, credentials: { accessKeyId, secretAccessKey: 'wrong' } },
    })
    for (const call of [
      () => wrong.get('none'),
      () => wrong.head('none'),
      () => wrong.put('k', BODY, CREATE),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'STORE_DENIED', retryable: true })
    await wrong.close()

    const credentials = { accessKeyId, secretAccessKey }
    const nowhere = await openStore('s3://no-such-bucket-here/x', { s3: { endpoint, region, credentials } })
    const missing = expect.objectContaining({ code: 'STORE_NO_BUCKET', retryable: true })
    await expect(nowhere.get('none')).rejects.toEqual(missing)
    await expect(nowhere.head('none')).rejects.toEqual(missing)
    await expect(nowhere.put('k', BODY, CREATE)).rejects.toEqual(missing)
    await expect(nowhere.list('')[Symbol.asyncIterator]().next()).rejects.toEqual(missing)
    await nowhere.close()
  })

  it('secrets are in no error, nor in what it was caused by', async () => {
    const { region, endpoint, accessKeyId } = bucket
    const credentials = { accessKeyId, secretAccessKey: 'VERYSECRET', sessionToken: 'TOKENTOKEN' }
    const wrong = await openStore(bucket.url, { s3: { endpoint, region, credentials } })
    const error = await wrong.put('k', BODY, CREATE).catch((thrown) => thrown)
    const { inspect } = await import('node:util')
    const everything = inspect(error, { depth: 10, showHidden: true })
    expect(everything).not.toMatch(/VERYSECRET|TOKENTOKEN|Signature=/)
    await wrong.close()
  })

  it('put: a body that is not the one which was signed is refused', async () => {
    const other = createHash('sha256').update('other bytes').digest()
    await expect(store.put('k', BODY, { ...CREATE, bodySha256: other })).rejects.toMatchObject({
      name: 'StoreError',
    })
    expect(await store.head('k')).toBeNull()
  })

  describe('under a WAL archive', () => {
    const MB = 1024 * 1024
    const identity = { systemIdentifier: '7301234567890123456', segmentSize: MB, layoutVersion: 1 } as const
    const NAME = '000000010000000000000003'
    const raw = walLikeBytes(MB)
    let archive: WalArchive

    beforeEach(async () => {
      archive = await WalArchive.open(store, {
        compression: { algorithm: 'lz4', level: undefined },
        identity,
      })
      proxy.forget()
    })

    it('a lost answer to the put of a segment is a success in the end', async () => {
      proxy.plan({ method: 'PUT', key: /000003/ }, lostResponse)
      expect(await archive.putSegment(NAME, raw)).toBe('already-there')
      expect((await archive.getSegment(NAME))?.equals(raw)).toBe(true)
      expect(await archive.putSegment(NAME, raw)).toBe('already-there')
      await expect(archive.putSegment(NAME, walLikeBytes(MB, 2))).rejects.toMatchObject({
        code: 'ARCHIVE_CONFLICT',
      })
    })

    it('an error inside a 200 is no stored segment', async () => {
      proxy.plan({ method: 'PUT', key: /000003/ }, errorInSuccess, { times: Infinity })
      await expect(archive.putSegment(NAME, raw)).rejects.toMatchObject({ retryable: true })
      expect(await archive.getSegment(NAME)).toBeNull()
    })

    it.each([
      { kind: 'corrupt' },
      { kind: 'truncate', bytes: 500, announced: 'short' },
      { kind: 'truncate', bytes: 0, announced: 'short' },
      errorInSuccess,
    ] as Fault[])('%j of a segment is found out', async (fault) => {
      await archive.putSegment(NAME, raw)
      proxy.plan({ method: 'GET', key: /000003/ }, fault)
      expect((await archive.getSegment(NAME))?.equals(raw)).toBe(true)
      proxy.plan({ method: 'GET', key: /000003/ }, fault, { times: Infinity })
      await expect(archive.getSegment(NAME)).rejects.toMatchObject({ name: 'StoreError' })
    })

    const given = noise(MB, 5)
    const NEXT = '000000010000000000000004'

    // The memory of a body is used again at once; what then still leaves it must not get into the store.
    it.each([
      ['given up in its body', { kind: 'stall', at: 'in body' }, true],
      ['given up before its body', { kind: 'stall', at: 'before body' }, true],
      ['reset in its body', { kind: 'reset', at: 'in body' }, false],
      ['answered with an error before its body was read', internalError, false],
    ] as [string, Fault, boolean][])(
      'a put that was %s stores nothing of the next one',
      async (_, fault, abort) => {
        const stop = new AbortController()
        proxy.plan({ method: 'PUT', key: /000003/ }, fault, { times: Infinity })
        const put = archive.putSegment(NAME, given, { signal: stop.signal }).catch((error) => error)
        await vi.waitUntil(() => proxy.count({ method: 'PUT', key: /000003/ }) > 0, 10_000)
        if (abort) stop.abort(new Error('given up'))
        expect(await put).toBeInstanceOf(Error)
        // The stalled exchange goes on, should anything come over it still.
        proxy.heal()
        await archive.putSegment(NEXT, noise(MB, 6))
        expect(await archive.getSegment(NAME)).toBeNull()
        expect((await archive.getSegment(NEXT))?.equals(noise(MB, 6))).toBe(true)
        expect(await archive.putSegment(NAME, given)).toBe('stored')
        expect((await archive.getSegment(NAME))?.equals(given)).toBe(true)
      },
    )

    it('of two compressions the later one notices other content', async () => {
      const gzip = await WalArchive.open(store, {
        compression: { algorithm: 'gzip', level: undefined },
        identity,
      })
      for (let number = 16; number < 22; number++) {
        const name = `0000000100000000000000${number.toString(16)}`
        const same = number % 2 === 0
        const outcomes = await Promise.allSettled([
          archive.putSegment(name, walLikeBytes(MB, 1)),
          gzip.putSegment(name, walLikeBytes(MB, same ? 1 : 2)),
        ])
        const refused = outcomes.filter(({ status }) => status === 'rejected')
        if (same) expect(refused).toEqual([])
        else expect(refused.length).toBeGreaterThan(0)
        for (const { reason } of refused as PromiseRejectedResult[])
          expect(reason).toMatchObject({ code: 'ARCHIVE_CONFLICT' })
      }
    })

    it('a segment is one put and one look, between two lists', async () => {
      await archive.putSegment(NAME, raw)
      expect(proxy.requests.map(({ method }) => method)).toEqual(['GET', 'PUT', 'HEAD', 'GET'])
      proxy.forget()
      await archive.getSegment(NAME)
      expect(proxy.requests).toHaveLength(1)
    })

    it('the end is found, with the tail', async () => {
      await archive.putSegment(NAME, raw)
      await archive.putTailPart({ timeline: 1, segment: 4n, from: 0, to: 5000 }, raw.subarray(0, 5000))
      expect(await archive.findEnd()).toEqual({ timeline: 1, lsn: 0x401388n, segmentEnd: 0x400000n })
    })
  })

  it('one object is one request, without the round trip of Expect: 100-continue', async () => {
    await store.put('k', BODY, CREATE)
    await store.get('k')
    await store.head('k')
    expect(proxy.requests.map(({ method }) => method)).toEqual(['PUT', 'GET', 'HEAD'])
    const [put] = proxy.requests
    expect(put?.headers).not.toHaveProperty('expect')
    expect(put?.headers['if-none-match']).toBe('*')
    expect(put?.headers['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/)
    expect(put?.requestBytes).toBe(BODY.length)
  })
})
