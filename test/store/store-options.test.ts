import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openStore, parseStoreOptions, STORE_OPTION_TABLE } from '../../src/store/index.js'
import { proxyFor } from '../../src/store/s3/proxy-choice.js'

const OPTION_ERROR = expect.objectContaining({ code: 'STORE_OPTION', retryable: false })

describe('options of stores', () => {
  const s3 = (values: Record<string, unknown>) => {
    const parsed = parseStoreOptions(values, {}).s3 ?? {}
    return Object.fromEntries(Object.entries(parsed).filter(([, value]) => value !== undefined))
  }

  it('are all optional', () => {
    expect(s3({})).toEqual({})
    expect(s3({ 's3-region': '', 's3-path-style': undefined, directory: '/x' })).toEqual({})
  })

  it('have a name and a variable each', () => {
    for (const { name, variable } of STORE_OPTION_TABLE)
      expect(variable).toBe(`WALSHIP_${name.toUpperCase().replaceAll('-', '_')}`)
  })

  it('are read from texts', () => {
    expect(
      s3({
        's3-endpoint': 'https://s3.example.com:9000',
        's3-region': 'eu-central-1',
        's3-path-style': 'off',
        's3-sse': 'aws:kms',
        's3-sse-kms-key-id': 'k',
        's3-tags': 'a=1&b=x%20y',
        's3-object-lock-mode': 'GOVERNANCE',
        's3-object-lock-days': '30',
        's3-checksum': 'crc32c',
        's3-conditional-put': 'off',
        's3-connect-timeout': '3',
        's3-request-timeout': 0,
        's3-attempts': '7',
      }),
    ).toEqual({
      endpoint: 'https://s3.example.com:9000',
      region: 'eu-central-1',
      pathStyle: false,
      encryption: { kind: 'kms', keyId: 'k' },
      tags: { a: '1', b: 'x y' },
      objectLock: { mode: 'GOVERNANCE', days: 30 },
      checksum: 'crc32c',
      conditionalPut: 'off',
      connectTimeoutMs: 3000,
      requestTimeoutMs: 0,
      attempts: 7,
    })
    expect(s3({ 's3-path-style': true })).toEqual({ pathStyle: true })
  })

  it.each([
    [{ 's3-endpoint': 's3.example.com' }],
    [{ 's3-endpoint': 'ftp://s3.example.com' }],
    [{ 's3-path-style': 'maybe' }],
    [{ 's3-sse': 'des' }],
    [{ 's3-sse': 'customer' }],
    [{ 's3-sse-kms-key-id': 'k' }],
    [{ 's3-sse': 'AES256', 's3-sse-c-key-file': 'f' }],
    [{ 's3-tags': '=x' }],
    [{ 's3-tags': 'a=1&a=2' }],
    [{ 's3-tags': Array.from({ length: 11 }, (_, i) => `t${i}=1`).join('&') }],
    [{ 's3-object-lock-days': '3' }],
    [{ 's3-object-lock-mode': 'COMPLIANCE' }],
    [{ 's3-object-lock-mode': 'COMPLIANCE', 's3-object-lock-days': '0' }],
    [{ 's3-attempts': '0' }],
    [{ 's3-attempts': '1.5' }],
    [{ 's3-idle-timeout': '-1' }],
    [{ 's3-checksum': 'md4' }],
  ])('refuse %j', (values) => {
    expect(() => parseStoreOptions(values, {})).toThrow(OPTION_ERROR)
  })

  it('do not show a password in an endpoint', () => {
    expect(() => parseStoreOptions({ 's3-endpoint': 'https://me:secret@host' }, {})).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') }),
    )
  })
})

describe('URLs of stores', () => {
  it.each([
    '',
    'x',
    '/mnt/archive',
    'file://mnt/archive',
    'file:/mnt',
    'http://x',
    's3:/b',
    's3://',
    's3://b/a//b',
    's3://b/../c',
    's3://b/a b',
    'memory',
    'file:///tmp?x=1',
  ])('%j is none', async (url) => {
    await expect(openStore(url)).rejects.toEqual(OPTION_ERROR)
  })

  it('do not show a password', async () => {
    await expect(openStore('s4://key:secret@bucket/x')).rejects.toMatchObject({
      message: expect.not.stringContaining('secret'),
    })
  })

  it('of S3 name bucket and prefix', async () => {
    const s3 = { region: 'eu-central-1' }
    for (const [url, name] of [
      ['s3://bucket', 's3://bucket'],
      ['s3://bucket/', 's3://bucket'],
      ['s3://my.bucket/a/b/', 's3://my.bucket/a/b'],
    ] as const) {
      const store = await openStore(url, { s3 })
      expect(store.name).toBe(name)
      await store.close()
    }
  })
})

describe('files that options name', () => {
  it('are read when the store is opened', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'walship-options-'))
    try {
      const file = async (name: string, content: string | Buffer) => {
        await writeFile(join(folder, name), content)
        return join(folder, name)
      }
      const region = 'eu-central-1'
      const open = (s3: object, environment = {}) =>
        openStore('s3://bucket', { s3: { region, ...s3 }, environment })
      const customer = async (content: string | Buffer) => ({
        encryption: { kind: 'customer', keyFile: await file('key', content) },
      })
      for (const content of [Buffer.alloc(32, 200), `${Buffer.alloc(32, 7).toString('base64')}\n`])
        await (await open(await customer(content))).close()
      for (const content of ['short', Buffer.alloc(33), Buffer.alloc(31).toString('base64')])
        await expect(open(await customer(content))).rejects.toEqual(OPTION_ERROR)
      await expect(open({ encryption: { kind: 'customer', keyFile: join(folder, 'none') } })).rejects.toEqual(
        OPTION_ERROR,
      )
      await expect(open({ caFile: join(folder, 'none') })).rejects.toEqual(OPTION_ERROR)
      await expect(open({}, { AWS_CA_BUNDLE: join(folder, 'none') })).rejects.toEqual(OPTION_ERROR)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('the proxy for a request', () => {
  const environment = {
    https_proxy: 'http://proxy:3128',
    HTTP_PROXY: 'other:8080',
    NO_PROXY: 'localhost,.internal.example, *.corp:8443 10.0.0.1,[::1],fe80::1,[::2]:99',
  }
  it.each([
    ['https://bucket.s3.amazonaws.com/x', 'http://proxy:3128'],
    ['http://store.example.com', 'http://other:8080'],
    ['http://localhost:9000', ''],
    ['https://s3.internal.example', ''],
    ['https://internal.example', ''],
    ['https://notinternal.example', 'http://proxy:3128'],
    ['https://a.corp:8443', ''],
    ['https://a.corp', 'http://proxy:3128'],
    ['http://10.0.0.1:9000', ''],
    ['http://10.0.0.11:9000', 'http://other:8080'],
    ['http://[::1]:9000', ''],
    ['http://[fe80::1]:9000', ''],
    ['http://[::2]:9000', 'http://other:8080'],
    ['http://[::2]:99', ''],
  ])('%s is %j', (url, proxy) => {
    expect(proxyFor(environment, url)).toBe(proxy)
  })

  it('is none without variables, and with * in no_proxy', () => {
    expect(proxyFor({}, 'https://x')).toBe('')
    expect(proxyFor({ ...environment, no_proxy: '*' }, 'https://x')).toBe('')
    expect(proxyFor({ ALL_PROXY: 'socks5://p' }, 'https://x')).toBe('socks5://p')
    expect(proxyFor({ https_proxy: '', HTTPS_PROXY: 'http://upper' }, 'https://x')).toBe('')
  })
})
