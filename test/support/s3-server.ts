/**
 * Where S3 suites get their bucket from. An endpoint in the environment goes first: WALSHIP_TEST_S3_ENDPOINT,
 * with WALSHIP_TEST_S3_BUCKET (it must exist), AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Else a
 * server is started for the suite. Where neither is possible the suites are skipped, with a loud line.
 */
import { randomBytes } from 'node:crypto'
import { DeleteObjectsCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3'
import { describe } from 'vitest'
import { type S3Access, S3Server, type S3ServerOptions } from '../../scripts/s3-server.js'
import { ensureS3ServerBinary } from '../../scripts/s3-server-binary.js'

export { type S3Access, S3Server, s3Environment } from '../../scripts/s3-server.js'

/** A bucket to test with, and a prefix in it that no other run uses. */
export interface TestBucket extends S3Access, AsyncDisposable {
  readonly prefix: string
  /** `s3://bucket/prefix` */
  readonly url: string
}

const external = externalAccess()
const binary = external === null ? await ensureS3ServerBinary() : null
const missing = binary !== null && 'missing' in binary ? binary.missing : null
if (missing !== null) process.stderr.write(`!! NO S3 SERVER: ${missing}; every S3 test is skipped\n`)

/** `describe` for suites that run against any S3 server: see `openTestBucket`. */
export const describeWithS3 = missing === null ? describe : describe.skip

/** `describe` for suites that start, kill and restart a server of their own: see `S3Server.start`. */
export const describeWithOwnS3 = missing === null && external === null ? describe : describe.skip

/** Call it in a suite of `describeWithS3`, and dispose of what it returns: the objects go with it. */
export async function openTestBucket(options: S3ServerOptions = {}): Promise<TestBucket> {
  const prefix = `test-${randomBytes(8).toString('hex')}`
  if (external !== null) {
    const access = external
    return {
      ...access,
      prefix,
      url: `s3://${access.bucket}/${prefix}`,
      [Symbol.asyncDispose]: () => removeObjects(access, `${prefix}/`),
    }
  }
  const server = await S3Server.start(options)
  const { endpoint, region, bucket, accessKeyId, secretAccessKey } = server
  return {
    ...{ endpoint, region, bucket, accessKeyId, secretAccessKey, prefix },
    url: `s3://${bucket}/${prefix}`,
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

/** A client that tries once, so that a test sees each fault; at `endpoint` where that is a proxy's. */
export function s3Client(access: S3Access, endpoint: string = access.endpoint): S3Client {
  const { region, accessKeyId, secretAccessKey } = access
  const credentials = { accessKeyId, secretAccessKey }
  return new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 })
}

async function removeObjects(access: S3Access, prefix: string): Promise<void> {
  const client = s3Client(access)
  try {
    const pages = paginateListObjectsV2({ client }, { Bucket: access.bucket, Prefix: prefix })
    for await (const { Contents: objects = [] } of pages) {
      if (objects.length === 0) continue
      const Delete = { Objects: objects.map(({ Key }) => ({ Key })) }
      await client.send(new DeleteObjectsCommand({ Bucket: access.bucket, Delete }))
    }
  } finally {
    client.destroy()
  }
}

function externalAccess(): S3Access | null {
  const { WALSHIP_TEST_S3_ENDPOINT: endpoint, WALSHIP_TEST_S3_BUCKET: bucket } = process.env
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env
  if (endpoint === undefined || endpoint === '') return null
  if (!bucket || !accessKeyId || !secretAccessKey) {
    throw new Error(
      'WALSHIP_TEST_S3_ENDPOINT needs WALSHIP_TEST_S3_BUCKET, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY',
    )
  }
  return { endpoint, bucket, accessKeyId, secretAccessKey, region: process.env.AWS_REGION ?? 'us-east-1' }
}
