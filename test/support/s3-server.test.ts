/** What the S3 store and its tests rely on, checked on the server they are run against. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { waitFor } from '../../scripts/wait-for.js'
import { selfSigned } from './certificates.js'
import {
  describeWithOwnS3,
  describeWithS3,
  openTestBucket,
  S3Server,
  s3Client,
  type TestBucket,
} from './s3-server.js'

const MIB = 1024 * 1024
const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const SERVER_MODULE = new URL('../../scripts/s3-server.ts', import.meta.url).href

describeWithS3('the S3 server of the tests', () => {
  let bucket: TestBucket
  let client: S3Client
  const at = (name: string) => ({ Bucket: bucket.bucket, Key: `${bucket.prefix}/${name}` })
  const create = (name: string, body: Buffer, metadata?: Record<string, string>) =>
    client.send(new PutObjectCommand({ ...at(name), Body: body, IfNoneMatch: '*', Metadata: metadata }))
  const read = async (name: string, range?: string) => {
    const { Body } = await client.send(new GetObjectCommand({ ...at(name), Range: range }))
    return Buffer.from(await Body!.transformToByteArray())
  }
  const keys = async (prefix: string, options: { after?: string } = {}) => {
    const { Key: Prefix } = at(prefix)
    const StartAfter = options.after && at(options.after).Key
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket.bucket, Prefix, StartAfter, MaxKeys: 3 }),
    )
    return page.Contents?.map(({ Key }) => Key!.slice(bucket.prefix.length + 1)) ?? []
  }

  beforeAll(async () => {
    bucket = await openTestBucket()
    client = s3Client(bucket)
  })
  afterAll(async () => {
    client?.destroy()
    await bucket?.[Symbol.asyncDispose]()
  })

  it('creates with If-None-Match, and refuses the second time without a change', async () => {
    await create('once', Buffer.from('first'))
    const again = create('once', Buffer.from('second'))
    await expect(again).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } })
    expect(String(await read('once'))).toBe('first')
  })

  it.each([100, 2 * MIB])('lets one of twenty creators at once win, with %i bytes', async (size) => {
    const name = `race-${size}`
    const attempts = Array.from({ length: 20 }, (_, writer) => create(name, Buffer.alloc(size, writer)))
    const results = await Promise.allSettled(attempts)
    const winners = results.flatMap(({ status }, writer) => (status === 'fulfilled' ? [writer] : []))
    expect(winners).toHaveLength(1)
    for (const result of results) {
      // A server may also answer 409 while another creation is under way.
      if (result.status === 'rejected') expect([409, 412]).toContain(result.reason.$metadata.httpStatusCode)
    }
    expect((await read(name)).equals(Buffer.alloc(size, winners[0]))).toBe(true)
  })

  it('keeps metadata', async () => {
    await create('described', Buffer.from('body'), { 'raw-length': '16777216', sha256: 'abc' })
    const head = await client.send(new HeadObjectCommand(at('described')))
    expect(head.Metadata).toEqual({ 'raw-length': '16777216', sha256: 'abc' })
    expect(head.ContentLength).toBe(4)
  })

  it('reads a range', async () => {
    await create('ranged', Buffer.from('0123456789'))
    expect(String(await read('ranged', 'bytes=3-5'))).toBe('345')
    expect(String(await read('ranged', 'bytes=7-'))).toBe('789')
  })

  it('lists in the order of the keys, page by page, from any key on', async () => {
    for (const name of ['d', 'b', 'b.x', 'c', 'a', 'bb']) await create(`list/${name}`, Buffer.from(name))
    expect(await keys('list/')).toEqual(['list/a', 'list/b', 'list/b.x'])
    expect(await keys('list/', { after: 'list/b.x' })).toEqual(['list/bb', 'list/c', 'list/d'])
    expect(await keys('list/', { after: 'list/bzz' })).toEqual(['list/c', 'list/d'])
    expect(await keys('no such prefix/')).toEqual([])
  })

  it('deletes many at once, missing ones too', async () => {
    for (const name of ['1', '2', '3']) await create(`delete/${name}`, Buffer.from(name))
    const Objects = ['delete/1', 'delete/3', 'delete/none'].map((name) => ({ Key: at(name).Key }))
    const { Errors } = await client.send(
      new DeleteObjectsCommand({ Bucket: bucket.bucket, Delete: { Objects } }),
    )
    expect(Errors ?? []).toEqual([])
    expect(await keys('delete/')).toEqual(['delete/2'])
  })

  it('tells a missing object from a missing bucket', async () => {
    const get = (Bucket: string) => client.send(new GetObjectCommand({ ...at('nothing'), Bucket }))
    await expect(get(bucket.bucket)).rejects.toMatchObject({ name: 'NoSuchKey' })
    await expect(get(`${bucket.bucket}-none`)).rejects.toMatchObject({ name: 'NoSuchBucket' })
  })
})

describeWithOwnS3('an S3 server of its own', () => {
  it('keeps its objects and its address over a kill, and leaves nothing after stop', async () => {
    const server = await S3Server.start()
    const client = s3Client(server)
    try {
      const object = { Bucket: server.bucket, Key: 'wal/kept' }
      await client.send(new PutObjectCommand({ ...object, Body: 'kept' }))
      const { endpoint } = server
      await server.kill()
      await expect(client.send(new GetObjectCommand(object))).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      await server.restart()
      expect(server.endpoint).toBe(endpoint)
      const { Body } = await client.send(new GetObjectCommand(object))
      expect(await Body?.transformToString()).toBe('kept')
    } finally {
      client.destroy()
      await server.stop()
    }
    expect(existsSync(dirname(dirname(server.bucketDirectory)))).toBe(false)
  })

  it('goes with the process that started it', async () => {
    const program = `
      import { S3Server } from ${JSON.stringify(SERVER_MODULE)}
      const { endpoint, bucketDirectory } = await S3Server.start()
      console.log(JSON.stringify({ endpoint, bucketDirectory }))`
    const args = ['--import', 'tsx', '--input-type=module', '-e', program]
    const starter = spawn(process.execPath, args, { cwd: PROJECT, stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(starter.stdout, 'data')) as [Buffer]
      const { endpoint, bucketDirectory } = JSON.parse(String(line))
      expect((await fetch(endpoint)).status).toBe(403)
      starter.kill('SIGKILL')
      await waitFor('the folder to be gone', () => !existsSync(dirname(dirname(bucketDirectory))))
      await expect(fetch(endpoint)).rejects.toThrow()
    } finally {
      starter.kill('SIGKILL')
    }
  })

  it('speaks TLS when it is given a certificate', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'walship-s3-tls-'))
    try {
      await using server = await S3Server.start({ tls: selfSigned(folder, 's3') })
      expect(server.endpoint).toMatch(/^https:/)
      await expect(fetch(server.endpoint)).rejects.toMatchObject({
        cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
      })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
