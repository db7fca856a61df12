import {
  GetObjectCommand,
  type GetObjectCommandInput,
  type GetObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3'
import { type StoreOperation, tooLarge } from '../errors.js'
import type { StoredObject } from '../object-store.js'
import { isS3Failure, senselessAnswer, statusOf } from './s3-errors.js'

export interface GetRequest {
  readonly client: S3Client
  readonly input: GetObjectCommandInput
  /** Key without the store's prefix, for the answer. */
  readonly key: string
  readonly offset: number
  /** At least 1; undefined for all to the end. */
  readonly length: number | undefined
  readonly maxSize: number
  readonly operation: StoreOperation
  readonly abortSignal: AbortSignal
}

/**
 * One get, with the body read to its end and counted.
 *
 * @returns null only on S3's own word for a key that is not there; `past-end` when the object has no
 *   byte in the range
 */
export async function sendGet(request: GetRequest): Promise<StoredObject | null | 'past-end'> {
  const { client, input, offset, length, abortSignal } = request
  const ranged = offset > 0 || length !== undefined
  const last = length === undefined ? '' : offset + length - 1
  const command = new GetObjectCommand(ranged ? { ...input, Range: `bytes=${offset}-${last}` } : input)
  let answer: GetObjectCommandOutput
  try {
    answer = await client.send(command, { abortSignal })
  } catch (error) {
    if (isS3Failure(error) && error.name === 'NoSuchKey') return null
    if (isS3Failure(error) && statusOf(error) === 416) return 'past-end'
    throw error
  }
  return readAnswer(answer, request, ranged)
}

async function readAnswer(
  answer: GetObjectCommandOutput,
  { key, offset, length, maxSize, operation }: GetRequest,
  ranged: boolean,
): Promise<StoredObject> {
  const body = answer.Body as (AsyncIterable<Buffer> & { destroy(): void }) | undefined
  if (body === undefined || answer.ETag === undefined || answer.ContentLength === undefined) {
    body?.destroy()
    throw senselessAnswer(operation, 'it names no ETag or no length')
  }
  if (answer.ContentLength > maxSize) {
    body.destroy()
    throw tooLarge(operation, answer.ContentLength, maxSize)
  }
  const bytes = await readBody(body, answer.ContentLength, operation)
  const metadata = answer.Metadata ?? {}
  if (answer.ContentRange === undefined) {
    const end = ranged && length !== undefined ? offset + length : bytes.length
    // A store that knows no ranges sends everything.
    return { info: { key, size: bytes.length, metadata }, body: bytes.subarray(ranged ? offset : 0, end) }
  }
  const range = /^bytes ([0-9]+)-[0-9]+\/([0-9]+)$/.exec(answer.ContentRange)
  if (range === null || Number(range[1]) !== offset)
    throw senselessAnswer(operation, `it holds another range, ${answer.ContentRange}`)
  return { info: { key, size: Number(range[2]), metadata }, body: bytes }
}

async function readBody(
  body: AsyncIterable<Buffer>,
  expected: number,
  operation: StoreOperation,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(expected)
  let length = 0
  for await (const chunk of body) {
    if (length + chunk.length > expected)
      throw senselessAnswer(operation, 'its body is longer than announced')
    length += chunk.copy(bytes, length)
  }
  if (length < expected) throw senselessAnswer(operation, `${length} bytes came of ${expected} announced`)
  return bytes
}
