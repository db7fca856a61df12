/** A store that lies, between the SDK and us: a clear error, bounded memory, and never a wrong byte. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { compressBuffer } from '../../src/codec/index.js'
import { type ObjectStore, openStore, WalArchive } from '../../src/store/index.js'
import { HostileStore } from '../fuzz/hostile-store.js'
import { SEGMENT_SIZE, SYSTEM_IDENTIFIER, segmentBytes, segmentNamed } from '../restore/known-segments.js'

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function serve(handler: Handler): Promise<{ endpoint: string; open(): Promise<ObjectStore> }> {
  const server = http.createServer((request, response) => {
    request.resume()
    response.on('error', () => {})
    handler(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    endpoint,
    async open() {
      const s3 = { endpoint, credentials: { accessKeyId: 'key', secretAccessKey: 'secret' }, attempts: 1 }
      const store = await openStore('s3://bucket/prefix', { s3 })
      cleanups.push(() => store.close())
      return store
    },
  }
}

/** Writes for as long as anybody takes it. */
async function sendForEver(response: http.ServerResponse, piece: Buffer): Promise<void> {
  response.setMaxListeners(0)
  while (!response.destroyed && !response.closed)
    if (!response.write(piece)) await new Promise<void>((go) => response.once('drain', go).once('close', go))
}

const PIECE = Buffer.alloc(256 * 1024, ' ')
const XML = { 'content-type': 'application/xml' }
const NAME = segmentNamed(3)
const RAW = segmentBytes(NAME)

async function growth(run: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage()
  await run()
  const after = process.memoryUsage()
  return Math.max(after.arrayBuffers - before.arrayBuffers, after.heapUsed - before.heapUsed)
}

const BOUND = 64 * 1024 * 1024

describe('bodies', () => {
  it.each(['1000000000000', '1000000000000000000000', '-5', 'NaN'])(
    'of %s bytes are not read',
    async (length) => {
      const { open } = await serve((_, response) => {
        response.socket!.end(`HTTP/1.1 200 OK\r\netag: "1"\r\ncontent-length: ${length}\r\n\r\nx`)
      })
      const store = await open()
      const grown = await growth(() =>
        expect(store.get('wal/x')).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_/) }),
      )
      expect(grown).toBeLessThan(BOUND)
    },
  )

  it('larger than anything that was stored are not read', async () => {
    let taken = 0
    const { open } = await serve((_, response) => {
      response.writeHead(200, { etag: '"1"', 'content-length': 1024 ** 3 })
      response.on('close', () => {
        taken = response.socket?.bytesWritten ?? 0
      })
      void sendForEver(response, PIECE)
    })
    const store = await open()
    await expect(store.get('cluster.json', { maxSize: 1000 })).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message:
        'could not read "cluster.json" from s3://bucket/prefix: it has 1073741824 bytes, and at most 1000 were stored',
    })
    await expect.poll(() => taken).toBeGreaterThanOrEqual(0)
    expect(taken).toBeLessThan(BOUND)
  })

  it.each([
    ['of a list', 200, (store: ObjectStore) => store.list('wal/')[Symbol.asyncIterator]().next()],
    ['of an error', 500, (store: ObjectStore) => store.get('wal/x')],
    [
      'of an answer to a put',
      500,
      (store: ObjectStore) => store.put('wal/x', Buffer.from('x'), { kind: 'wal', ifAbsent: false }),
    ],
    ['of an answer to a delete', 500, (store: ObjectStore) => store.delete(['wal/x'])],
  ])('%s without end are given up', async (_, status, ask) => {
    const { open } = await serve((_request, response) => {
      response.writeHead(status, XML)
      response.write('<?xml version="1.0"?><ListBucketResult><Name>bucket</Name>')
      void sendForEver(response, PIECE)
    })
    const store = await open()
    const grown = await growth(() =>
      expect(ask(store)).rejects.toMatchObject({
        code: 'STORE_UNREACHABLE',
        message: expect.stringContaining('too long'),
      }),
    )
    expect(grown).toBeLessThan(BOUND)
  })
})

describe('lists', () => {
  const page = (keys: readonly string[], token?: string) =>
    `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><IsTruncated>${token !== undefined}</IsTruncated>${
      token === undefined ? '' : `<NextContinuationToken>${token}</NextContinuationToken>`
    }${keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join('')}</ListBucketResult>`

  async function listed(answer: (request: number) => string): Promise<string[]> {
    let requests = 0
    const { open } = await serve((_, response) => {
      const body = answer(++requests)
      response.writeHead(200, { ...XML, 'content-length': Buffer.byteLength(body) }).end(body)
    })
    const store = await open()
    const keys: string[] = []
    for await (const { key } of store.list('wal/')) keys.push(key)
    return keys
  }

  it('that lead back to themselves end', async () => {
    await expect(listed(() => page([], 'again'))).rejects.toMatchObject({
      message: expect.stringContaining('has no end'),
    })
    await expect(listed(() => page(['prefix/wal/a'], 'again'))).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
    })
  })

  it('of empty pages without end, end', async () => {
    await expect(listed((request) => page([], `token-${request}`))).rejects.toMatchObject({
      message: expect.stringContaining('has no end'),
    })
  })

  it.each(['other/wal/a', 'prefix/history/a', '../../etc/passwd', '/etc/passwd', 'wal/a'])(
    'that name %s are refused: it was not asked for',
    async (key) => {
      await expect(listed(() => page([key]))).rejects.toMatchObject({
        message: expect.stringContaining('it lists what was not asked for'),
      })
    },
  )

  it('never give a key that leads elsewhere', async () => {
    const odd = [
      'prefix/wal/../../x',
      'prefix/wal/..',
      'prefix/wal/.hidden',
      'prefix/wal//x',
      'prefix/wal/a b',
      'prefix/wal/ok',
    ]
    expect(await listed(() => page(odd))).toEqual(['wal/ok'])
  })

  it('with entities that grow are refused or stay small', async () => {
    const entities = Array.from(
      { length: 12 },
      (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(20)}">`,
    ).join('')
    const bomb = `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "aaaaaaaaaaaaaaaaaaaa">${entities}]><ListBucketResult><Name>&e12;</Name><IsTruncated>false</IsTruncated></ListBucketResult>`
    const grown = await growth(() =>
      listed(() => bomb).catch((error) => expect(error.code).toMatch(/^STORE_/)),
    )
    expect(grown).toBeLessThan(BOUND)
  })
})

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const IDENTITY = JSON.stringify({
  systemIdentifier: String(SYSTEM_IDENTIFIER),
  segmentSize: SEGMENT_SIZE,
  layoutVersion: 1,
})

interface Stored {
  readonly body: Buffer
  readonly metadata: Readonly<Record<string, string>>
}

const factsOf = (raw: Buffer, more: Readonly<Record<string, string>> = {}) => ({
  sha256: sha256(raw),
  'raw-length': String(raw.length),
  'system-identifier': String(SYSTEM_IDENTIFIER),
  ...more,
})

/** An archive in which the one segment is what a test says. */
function archiveWith(stored: Stored | null, extension = ''): Handler {
  return (request, response) => {
    const path = new URL(request.url!, 'http://x').pathname
    const object =
      path === '/bucket/prefix/cluster.json'
        ? { body: Buffer.from(IDENTITY), metadata: {} }
        : path === `/bucket/prefix/wal/00000001/${NAME}${extension}`
          ? stored
          : null
    if (object === null) {
      if (path === '/bucket' || path === '/bucket/') {
        const body =
          '<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated></ListBucketResult>'
        return void response.writeHead(200, XML).end(body)
      }
      const body = '<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>'
      return void response.writeHead(404, XML).end(request.method === 'HEAD' ? undefined : body)
    }
    const metadata = Object.entries(object.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])
    response.writeHead(200, {
      etag: '"1"',
      'content-length': object.body.length,
      ...Object.fromEntries(metadata),
    })
    response.end(request.method === 'HEAD' ? undefined : object.body)
  }
}

const zeros = Buffer.alloc(RAW.length)
const other = segmentBytes(segmentNamed(4))
const bomb = Buffer.alloc(300_000_000)

const LIES: readonly (readonly [string, () => Promise<Stored>, string?])[] = [
  ['other bytes', async () => ({ body: zeros, metadata: factsOf(RAW) })],
  ['the segment behind it, metadata and all', async () => ({ body: other, metadata: factsOf(other) })],
  [
    'a history file, metadata and all',
    async () => ({ body: Buffer.from('1\t0/1\n'), metadata: factsOf(Buffer.from('1\t0/1\n')) }),
  ],
  ['no metadata', async () => ({ body: RAW, metadata: {} })],
  [
    'a raw length of 10^15',
    async () => ({ body: RAW, metadata: factsOf(RAW, { 'raw-length': '1000000000000000' }) }),
  ],
  [
    'a raw length of 10^9',
    async () => ({ body: RAW, metadata: factsOf(RAW, { 'raw-length': '1000000000' }) }),
  ],
  ['a raw length below zero', async () => ({ body: RAW, metadata: factsOf(RAW, { 'raw-length': '-1' }) })],
  ['another cluster', async () => ({ body: RAW, metadata: factsOf(RAW, { 'system-identifier': '1' }) })],
  [
    'half of it',
    async () => ({
      body: RAW.subarray(0, RAW.length / 2),
      metadata: factsOf(RAW.subarray(0, RAW.length / 2)),
    }),
  ],
  ['no bytes', async () => ({ body: Buffer.alloc(0), metadata: factsOf(Buffer.alloc(0)) })],
  [
    'an lz4 bomb',
    async () => ({
      body: await compressBuffer({ algorithm: 'lz4', level: undefined }, bomb),
      metadata: factsOf(bomb),
    }),
    '.lz4',
  ],
  [
    'a gzip bomb',
    async () => ({
      body: await compressBuffer({ algorithm: 'gzip', level: undefined }, bomb),
      metadata: factsOf(bomb),
    }),
    '.gz',
  ],
  [
    'a bomb that says it is a segment',
    async () => ({
      body: await compressBuffer({ algorithm: 'lz4', level: undefined }, bomb),
      metadata: factsOf(RAW),
    }),
    '.lz4',
  ],
  ['what is no lz4', async () => ({ body: Buffer.from('nothing'), metadata: factsOf(RAW) }), '.lz4'],
]

describe('a segment that holds', () => {
  it.each(LIES.map(([what, make, extension = '']) => ({ what, make, extension })))(
    '$what is never given',
    async ({ make, extension }) => {
      const stored = await make()
      const { open } = await serve(archiveWith(stored, extension))
      const compression = { algorithm: 'lz4', level: undefined } as const
      const archive = await WalArchive.open(await open(), { compression, readOnly: true })
      const grown = await growth(() =>
        expect(archive.getSegment(NAME)).rejects.toMatchObject({
          code: expect.stringMatching(/^(STORE_CORRUPT|ARCHIVE_OTHER_CLUSTER)$/),
        }),
      )
      expect(grown).toBeLessThan(BOUND)
    },
  )
})

const WALSHIP = fileURLToPath(new URL('../../bin/walship', import.meta.url))

/** `walship fetch` as a server runs it. */
async function fetchFrom(endpoint: string, folder: string) {
  const target = join(folder, 'RECOVERYXLOG')
  const child = spawn(
    process.execPath,
    [WALSHIP, 'fetch', '--retry-for', '0', '--prefetch', '0', NAME, target],
    {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env.PATH,
        WALSHIP_STORE: 's3://bucket/prefix',
        WALSHIP_S3_ENDPOINT: endpoint,
        AWS_ENDPOINT_URL_S3: endpoint,
        AWS_ACCESS_KEY_ID: 'key',
        AWS_SECRET_ACCESS_KEY: 'secret',
        AWS_REGION: 'us-east-1',
      },
    },
  )
  const [complaint] = await Promise.all([text(child.stderr), once(child, 'close')])
  return { status: child.exitCode, complaint, written: existsSync(target) ? readFileSync(target) : null }
}

describe('walship fetch', () => {
  it('ends with 126 or more for every lie, and writes nothing; what is right it restores', {
    timeout: 120_000,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'walship-hostile-'))
    cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
    for (const [what, make, extension] of LIES.filter((_, index) => index % 2 === 1)) {
      const { endpoint } = await serve(archiveWith(await make(), extension))
      const { status, complaint, written } = await fetchFrom(endpoint, folder)
      expect(written, what).toBeNull()
      expect(status, `${what}: ${complaint}`).toBeGreaterThanOrEqual(126)
      expect(complaint, what).not.toMatch(/TypeError|RangeError|SyntaxError|\n {4}at /)
    }
    const { endpoint } = await serve(archiveWith({ body: RAW, metadata: factsOf(RAW) }))
    const right = await fetchFrom(endpoint, folder)
    expect(right.complaint).toBe('')
    expect(right).toMatchObject({ status: 0 })
    expect(right.written!.equals(RAW)).toBe(true)
    rmSync(join(folder, 'RECOVERYXLOG'))
    const missing = await serve(archiveWith(null))
    expect(await fetchFrom(missing.endpoint, folder)).toMatchObject({ status: 1, written: null })
  })
})

describe('a segment that is there already', () => {
  it.each([
    ['the same way, and lost its body', 'lz4'],
    ['in another way, and lost its body', 'gzip'],
  ] as const)('%s, is not taken for archived', async (_, algorithm) => {
    const store = new HostileStore()
    const identity = {
      systemIdentifier: String(SYSTEM_IDENTIFIER),
      segmentSize: SEGMENT_SIZE,
      layoutVersion: 1 as const,
    }
    const first = await WalArchive.open(store, { compression: { algorithm, level: undefined }, identity })
    expect(await first.putSegment(NAME, RAW)).toBe('stored')
    const compression = { algorithm: 'lz4', level: undefined } as const
    const again = await WalArchive.open(store, { compression, identity })
    expect(await again.putSegment(NAME, RAW)).toBe('already-there')
    const [object] = [...store.objects].filter(([key]) => key.startsWith('wal/')).map(([, kept]) => kept)
    object!.body = Buffer.alloc(0)
    const once = await WalArchive.open(store, { compression, identity })
    await expect(once.putSegment(NAME, RAW)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  })
})
