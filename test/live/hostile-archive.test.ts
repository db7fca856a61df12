/** A store that says "stored" and then contradicts itself: no local file may go for it. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { isSegmentFileName } from '../../src/wal/index.js'
import { OK, type ScriptedAnswer, type ScriptedRequest, ScriptedS3, s3Failure } from '../store/scripted-s3.js'
import { namesIn } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import { launchTestServer, MAJOR, SEGMENT_SIZE, switchSegment, writeWal } from './test-server.js'

type Metadata = Readonly<Record<string, string>>
type Kept = Map<string, { readonly body: Buffer; readonly metadata: Metadata }>
/** What a look at a segment's object is answered with, and a put of it, when that is not 200. */
interface Lie {
  readonly head: (size: number, metadata: Metadata) => ScriptedAnswer
  readonly put?: ScriptedAnswer
}

const header = (size: number, metadata: Metadata): ScriptedAnswer => ({
  status: 200,
  headers: { etag: '"1"', 'content-length': String(size), ...metadata },
})

const LIES: Readonly<Record<string, Lie>> = {
  'that it is not there': { head: () => ({ status: 404 }) },
  'that it is empty': { head: (_, metadata) => header(0, metadata) },
  'that it is huge': { head: (_, metadata) => header(1e15, metadata) },
  'that it is something else': {
    head: (size, metadata) => header(size, { ...metadata, 'x-amz-meta-sha256': 'f'.repeat(64) }),
  },
  'that it was there before, and is something else': {
    head: (size, metadata) => header(size, { ...metadata, 'x-amz-meta-raw-length': '17' }),
    put: s3Failure(412, 'PreconditionFailed'),
  },
  'nothing of what it is': { head: (size) => header(size, {}) },
  'that it is of another cluster': {
    head: (size, metadata) => header(size, { ...metadata, 'x-amz-meta-system-identifier': '1' }),
  },
}

function answerer(lie: Lie, kept: Kept, onPut: () => void) {
  return ({ method, key, query, headers, body }: ScriptedRequest): ScriptedAnswer => {
    if (query.has('list-type'))
      return {
        status: 200,
        body: '<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated></ListBucketResult>',
      }
    const isSegment = key.startsWith('x/wal/')
    if (method === 'PUT') {
      if (isSegment) onPut()
      if (kept.has(key) && headers['if-none-match'] === '*') return s3Failure(412, 'PreconditionFailed')
      const metadata = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'))
      kept.set(key, { body, metadata: Object.fromEntries(metadata) as Metadata })
      return isSegment && lie.put !== undefined ? lie.put : OK
    }
    const object = kept.get(key)
    if (object === undefined) return method === 'HEAD' ? { status: 404 } : s3Failure(404, 'NoSuchKey')
    if (isSegment) {
      const answer = lie.head(object.body.length, object.metadata)
      return answer.status === 404 && method === 'GET' ? s3Failure(404, 'NoSuchKey') : answer
    }
    return { ...header(object.body.length, object.metadata), body: object.body }
  }
}

describe(`PostgreSQL ${MAJOR}, and a store that says of a segment it has taken`, { timeout: 120_000 }, () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await launchTestServer()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  it.each(Object.keys(LIES))('%s: every segment stays in the directory', async (what) => {
    let puts = 0
    const s3 = await ScriptedS3.start(answerer(LIES[what]!, new Map(), () => puts++))
    onTestFinished(() => s3[Symbol.asyncDispose]())
    const directory = await testDirectory()
    const finished = async () => (await namesIn(directory)).filter(isSegmentFileName)
    const receiver = ReceiverProcess.walship(
      [
        ...['-D', directory, '-d', server.dsn, '--store', 's3://bucket/x', '--s3-endpoint', s3.endpoint],
        ...['--keep-local', '1', '--s3-attempts', '1', '--tail-interval', '0', '-s', '1'],
      ],
      { env: { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'us-east-1' } },
    )
    onTestFinished(() => receiver[Symbol.asyncDispose]())
    await receiver.said(/streaming_started/)
    for (let count = 0; count < 3; count++) {
      await writeWal(server, SEGMENT_SIZE / 8)
      await switchSegment(server)
    }
    await writeWal(server, 1024)
    await waitFor('three segments', async () => (await finished()).length >= 3)
    await waitFor('two tries', () => puts >= 2)
    await receiver.said(/"code":"(STORE_CORRUPT|STORE_UNREACHABLE|ARCHIVE_[A-Z_]+)"/)
    await receiver.stop('SIGKILL')
    expect((await finished()).length).toBeGreaterThanOrEqual(3)
    expect(receiver.stderr).not.toMatch(/TypeError|RangeError/)
  })
})
