import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { type ObjectKind, type ObjectStore, openStore, type S3Options } from '../../src/store/index.js'
import { selfSigned, signedBy } from '../support/certificates.js'
import { OK, type ScriptedAnswer, type ScriptedRequest, ScriptedS3, s3Failure } from './scripted-s3.js'

const CREATE = { kind: 'wal', ifAbsent: true } as const
const BODY = Buffer.from('body')
const HTML = {
  status: 404,
  headers: { 'content-type': 'text/html' },
  body: '<html><h1>Not Found</h1></html>',
}

let server: ScriptedS3
let store: ObjectStore
afterEach(async () => {
  await store.close()
  await server[Symbol.asyncDispose]()
})

async function start(
  answer: (request: ScriptedRequest) => ScriptedAnswer,
  more: S3Options = {},
): Promise<ObjectStore> {
  server = await ScriptedS3.start(answer)
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' }
  store = await openStore('s3://bucket/prefix', {
    s3: { endpoint: server.endpoint, credentials, attempts: 1, ...more },
  })
  return store
}

const listed = async () => {
  const keys: string[] = []
  for await (const { key } of store.list('')) keys.push(key)
  return keys
}

describe('what S3 answers about an object that it does not give', () => {
  it('is null only for NoSuchKey', async () => {
    await start(({ method }) => (method === 'HEAD' ? { status: 404 } : s3Failure(404, 'NoSuchKey')))
    expect(await store.get('k')).toBeNull()
    expect(await store.head('k')).toBeNull()
  })

  it.each([
    ['a page of something that is no S3', HTML, 'STORE_REJECTED'],
    ['a 404 without a word', { status: 404 }, 'STORE_REJECTED'],
    ['NoSuchBucket', s3Failure(404, 'NoSuchBucket'), 'STORE_NO_BUCKET'],
    [
      'AccessDenied, as for a missing key without s3:ListBucket',
      s3Failure(403, 'AccessDenied'),
      'STORE_DENIED',
    ],
    ['ExpiredToken', s3Failure(400, 'ExpiredToken'), 'STORE_DENIED'],
    ['InvalidObjectState', s3Failure(403, 'InvalidObjectState'), 'STORE_REJECTED'],
    ['KMS.DisabledException', s3Failure(400, 'KMS.DisabledException'), 'STORE_DENIED'],
    ['PermanentRedirect', s3Failure(301, 'PermanentRedirect'), 'STORE_WRONG_REGION'],
    ['429', { status: 429 }, 'STORE_THROTTLED'],
    ['QuotaExceeded', s3Failure(403, 'QuotaExceeded'), 'STORE_FULL'],
    ['507', { status: 507 }, 'STORE_FULL'],
    ['502 of a gateway', { status: 502, body: '<html>' }, 'STORE_UNREACHABLE'],
    ['an empty 200', { status: 200 }, 'STORE_UNREACHABLE'],
    ['an error inside a 200', s3Failure(200, 'InternalError'), 'STORE_UNREACHABLE'],
    ['a page inside a 200', { status: 200, body: '<html>Please log in</html>' }, 'STORE_UNREACHABLE'],
    ['204', { status: 204 }, 'STORE_UNREACHABLE'],
  ] as [string, ScriptedAnswer, string][])('is an error for %s', async (_, answer, code) => {
    await start(({ method }) => (method === 'HEAD' && answer.status === 200 ? { status: 404 } : answer))
    const failure = expect.objectContaining({
      name: 'StoreError',
      code,
      retryable: true,
      hint: expect.anything(),
    })
    await expect(store.get('k')).rejects.toEqual(failure)
    await expect(store.head('k')).rejects.toMatchObject({ name: 'StoreError', retryable: true })
    await expect(store.put('k', BODY, CREATE)).rejects.toMatchObject({ name: 'StoreError', retryable: true })
    await expect(listed()).rejects.toMatchObject({ name: 'StoreError', retryable: true })
  })
})

describe('S3 answers that make no sense', () => {
  it.each([{ status: 200 }, { status: 204 }, { status: 200, body: '<html>Please log in</html>' }])(
    'no stored object: %j',
    async (answer) => {
      await start(() => answer, { conditionalPut: 'on' })
      const failure = expect.objectContaining({ code: 'STORE_UNREACHABLE' })
      await expect(store.put('k', BODY, CREATE)).rejects.toEqual(failure)
      await expect(store.put('k', BODY, { kind: 'wal', ifAbsent: false })).rejects.toEqual(failure)
    },
  )

  it('a list that is out of order', async () => {
    const entry = (key: string) => `<Contents><Key>prefix/${key}</Key><Size>1</Size></Contents>`
    const body = `<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated>${entry('b')}${entry('a')}</ListBucketResult>`
    await start(() => ({ status: 200, body }))
    await expect(listed()).rejects.toMatchObject({ message: expect.stringContaining('out of order') })
  })

  it('a list that goes on nowhere', async () => {
    const body = '<ListBucketResult><Name>bucket</Name><IsTruncated>true</IsTruncated></ListBucketResult>'
    await start(() => ({ status: 200, body }))
    await expect(listed()).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  })

  it('another range than the one asked for', async () => {
    const headers = { etag: '"1"', 'content-range': 'bytes 0-3/10' }
    await start(() => ({ status: 206, headers, body: 'abcd' }))
    await expect(store.get('k', { offset: 4 })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
  })

  it('a store that knows no ranges is understood all the same', async () => {
    await start(() => ({ ...OK, body: '0123456789' }))
    const got = await store.get('k', { offset: 3, length: 4 })
    expect(got?.body.toString()).toBe('3456')
    expect(got?.info.size).toBe(10)
  })

  it('a folder that some program made is no object', async () => {
    const entry = (key: string) => `<Contents><Key>prefix/${key}</Key><Size>0</Size></Contents>`
    const body = `<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated>${entry('')}${entry('wal/')}${entry('wal/a')}</ListBucketResult>`
    await start(() => ({ status: 200, body }))
    expect(await listed()).toEqual(['wal/a'])
  })
})

describe('a put that must not overwrite', () => {
  /** Objects by key, with or without a sense for the condition. */
  function shelf(condition: (request: ScriptedRequest, there: boolean) => ScriptedAnswer | null) {
    const objects = new Map<string, Buffer>()
    return (request: ScriptedRequest): ScriptedAnswer => {
      const { method, key, body } = request
      const there = objects.has(key)
      if (method === 'PUT') {
        const refusal = request.headers['if-none-match'] === '*' ? condition(request, there) : null
        if (refusal !== null) return refusal
        objects.set(key, body)
        return OK
      }
      if (!there) return method === 'HEAD' ? { status: 404 } : s3Failure(404, 'NoSuchKey')
      return { ...OK, body: objects.get(key) }
    }
  }
  const puts = () => server.requests.filter(({ method }) => method === 'PUT').map(({ key }) => key)

  it('is left to a store that honours the condition', async () => {
    await start(shelf((_, there) => (there ? s3Failure(412, 'PreconditionFailed') : null)))
    expect(await store.put('a', BODY, CREATE)).toBe('created')
    expect(await store.put('a', Buffer.from('other'), CREATE)).toBe('exists')
    expect(store.features.createOnly).toBe(true)
    expect(puts()).toEqual(['prefix/.walship-probe', 'prefix/.walship-probe', 'prefix/a', 'prefix/a'])
    expect(server.requests.every(({ method }) => method === 'PUT')).toBe(true)
  })

  it.each([
    ['ignores the condition', () => null],
    ['does not implement it', () => s3Failure(501, 'NotImplemented')],
    ['takes it for an invalid argument', () => s3Failure(400, 'InvalidArgument')],
  ] as [string, () => ScriptedAnswer | null][])(
    'is preceded by a look where the store %s',
    async (_, condition) => {
      await start(shelf(condition))
      expect(await store.put('a', BODY, CREATE)).toBe('created')
      expect(store.features.createOnly).toBe(false)
      expect(await store.put('a', Buffer.from('other'), CREATE)).toBe('exists')
      expect((await store.get('a'))?.body.toString()).toBe('body')
      const mine = server.requests.filter(({ method, key }) => method === 'PUT' && key === 'prefix/a')
      expect(mine).toHaveLength(1)
      expect(mine[0]?.headers).not.toHaveProperty('if-none-match')
    },
  )

  it('is not given up because of a refusal that has another reason', async () => {
    await start(() => s3Failure(400, 'InvalidRequest'))
    await expect(store.put('a', BODY, CREATE)).rejects.toMatchObject({ code: 'STORE_REJECTED' })
    expect(store.features.createOnly).toBe(true)
  })

  it('can be demanded', async () => {
    await start(
      shelf(() => s3Failure(501, 'NotImplemented')),
      { conditionalPut: 'on' },
    )
    await expect(store.put('a', BODY, CREATE)).rejects.toMatchObject({
      message: expect.stringContaining('501 NotImplemented'),
    })
    expect(puts()).toEqual(['prefix/a'])
  })

  it('can be done without', async () => {
    await start(
      shelf(() => null),
      { conditionalPut: 'off' },
    )
    await store.put('a', BODY, CREATE)
    expect(server.requests.some(({ headers }) => headers['if-none-match'] !== undefined)).toBe(false)
    expect(store.features.createOnly).toBe(false)
  })
})

describe('traits of objects', () => {
  const KINDS: ObjectKind[] = ['identity', 'wal', 'history', 'tail', 'gap', 'index']

  async function headersByKind(options: S3Options) {
    await start(() => OK, { conditionalPut: 'on', ...options })
    for (const kind of KINDS) await store.put(kind, BODY, { kind, ifAbsent: true })
    return new Map(server.requests.map(({ key, headers }) => [key.replace('prefix/', ''), headers]))
  }
  const having = (headers: Map<string, ScriptedRequest['headers']>, name: string) =>
    KINDS.filter((kind) => headers.get(kind)?.[name] !== undefined)

  it('are few by default', async () => {
    const headers = await headersByKind({})
    for (const name of ['x-amz-storage-class', 'x-amz-tagging', 'x-amz-object-lock-mode', 'content-md5'])
      expect(having(headers, name)).toEqual([])
    expect(
      Object.keys(headers.get('wal')!).filter((name) => /checksum|encryption|md5|trailer/.test(name)),
    ).toEqual([])
  })

  it('storage class is for segments, tags for WAL, locks for all but the tail', async () => {
    const headers = await headersByKind({
      storageClass: 'STANDARD_IA',
      tags: { team: 'db & co', tier: '1' },
      objectLock: { mode: 'COMPLIANCE', days: 30 },
    })
    expect(having(headers, 'x-amz-storage-class')).toEqual(['wal'])
    expect(having(headers, 'x-amz-tagging')).toEqual(['wal', 'history', 'gap', 'index'])
    expect(having(headers, 'x-amz-object-lock-mode')).toEqual(['identity', 'wal', 'history', 'gap'])
    expect(having(headers, 'content-md5')).toEqual(['identity', 'wal', 'history', 'gap'])
    const wal = headers.get('wal')!
    expect(wal['x-amz-storage-class']).toBe('STANDARD_IA')
    expect(Object.fromEntries(new URLSearchParams(String(wal['x-amz-tagging'])))).toEqual({
      team: 'db & co',
      tier: '1',
    })
    expect(wal['x-amz-object-lock-mode']).toBe('COMPLIANCE')
    const until = Date.parse(String(wal['x-amz-object-lock-retain-until-date']))
    expect(Math.round((until - Date.now()) / 86_400_000)).toBe(30)
  })

  it.each([
    ['sha256', 'x-amz-checksum-sha256'],
    ['crc32', 'x-amz-checksum-crc32'],
    ['crc32c', 'x-amz-checksum-crc32c'],
  ] as const)('checksum %s', async (checksum, name) => {
    const headers = await headersByKind({ checksum, objectLock: { mode: 'GOVERNANCE', days: 1 } })
    expect(having(headers, name)).toEqual(KINDS)
    expect(having(headers, 'content-md5')).toEqual([])
    expect(having(headers, 'x-amz-trailer')).toEqual([])
  })

  it('encryption is for all', async () => {
    const headers = await headersByKind({ encryption: { kind: 'kms', keyId: 'arn:aws:kms:x' } })
    expect(having(headers, 'x-amz-server-side-encryption')).toEqual(KINDS)
    expect(headers.get('tail')?.['x-amz-server-side-encryption-aws-kms-key-id']).toBe('arn:aws:kms:x')
  })

  it('a key of our own goes with every put, get and look, and shows in no error', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'walship-ssec-'))
    try {
      const authority = selfSigned(folder, 'authority')
      const tls = signedBy(authority, folder, 'server', { alternativeNames: 'IP:127.0.0.1' })
      let answer: ScriptedAnswer = OK
      server = await ScriptedS3.start(() => answer, tls)
      const key = Buffer.alloc(32, 'K')
      const keyFile = join(folder, 'key')
      await writeFile(keyFile, key)
      const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' }
      const encryption = { kind: 'customer', keyFile } as const
      const more = { attempts: 1, conditionalPut: 'on', caFile: authority.certificate } as const
      const s3 = { endpoint: server.endpoint, credentials, encryption, ...more }
      store = await openStore('s3://bucket/prefix', { s3 })
      for (const kind of KINDS) await store.put(kind, BODY, { kind, ifAbsent: true })
      await store.get('wal')
      await store.head('wal')
      await store.delete(['wal'])
      const name = 'x-amz-server-side-encryption-customer-key'
      const withKey = server.requests.filter(({ headers }) => headers[name] === key.toString('base64'))
      expect(withKey.map(({ method }) => method)).toEqual([...KINDS.map(() => 'PUT'), 'GET', 'HEAD'])
      const digest = createHash('md5').update(key).digest('base64')
      expect(withKey.every(({ headers }) => headers[`${name}-md5`] === digest)).toBe(true)
      answer = s3Failure(400, 'InvalidRequest')
      const error = await store.get('wal').catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'STORE_REJECTED' })
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/KKKK|S0tLS0tL/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('a key of our own is not sent without TLS', async () => {
    await start(() => OK)
    const s3 = {
      endpoint: 'http://127.0.0.1:1',
      encryption: { kind: 'customer', keyFile: '/dev/null' },
    } as const
    await expect(openStore('s3://bucket', { s3 })).rejects.toMatchObject({ code: 'STORE_OPTION' })
  })
})
