import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'
import type { StoreOperation } from '../errors.js'
import { isKey } from '../object-key.js'
import type { ListedObject } from '../object-store.js'
import { senselessAnswer } from './s3-errors.js'

export interface ListRequest {
  readonly client: S3Client
  readonly bucket: string
  /** The store's own prefix, with its slash; empty for the whole bucket. */
  readonly folder: string
  /** Without the folder, as `after` and `last` are. */
  readonly prefix: string
  readonly after: string | undefined
  readonly pageSize: number | undefined
  /** To go on with a list. */
  readonly token: string | undefined
  /** The last key seen: every one that comes has to be behind it. */
  readonly last: string
  readonly operation: StoreOperation
  readonly abortSignal: AbortSignal
}

export interface ListPage {
  readonly objects: readonly ListedObject[]
  /** Undefined when this was the last page. */
  readonly token: string | undefined
}

/** One page of a list. An answer that could hide objects is an error. */
export async function sendList(request: ListRequest): Promise<ListPage> {
  const { client, bucket, folder, prefix, after, pageSize, operation, abortSignal } = request
  const command = new ListObjectsV2Command({
    Bucket: bucket,
    Prefix: folder + prefix,
    StartAfter: after === undefined ? undefined : folder + after,
    ContinuationToken: request.token,
    MaxKeys: pageSize,
  })
  const answer = await client.send(command, { abortSignal })
  // Anything that is no list at all would read like an empty one.
  if (answer.IsTruncated === undefined || answer.Name === undefined)
    throw senselessAnswer(operation, 'it is no list of a bucket')
  const token = answer.IsTruncated ? answer.NextContinuationToken : undefined
  if (answer.IsTruncated && token === undefined)
    throw senselessAnswer(operation, 'there is more, and no way to ask for it')
  const objects: ListedObject[] = []
  let last = request.last
  for (const { Key, Size, LastModified } of answer.Contents ?? []) {
    if (Key === undefined || Size === undefined) continue
    if (!Key.startsWith(folder + prefix)) throw senselessAnswer(operation, 'it lists what was not asked for')
    const key = Key.slice(folder.length)
    // Not ours: a folder as some programs make it, the probe.
    if (!isKey(key)) continue
    if (key <= last) throw senselessAnswer(operation, `keys are out of order at "${key}"`)
    last = key
    objects.push({ key, size: Size, ...(LastModified === undefined ? {} : { storedAt: LastModified }) })
  }
  return { objects, token }
}
