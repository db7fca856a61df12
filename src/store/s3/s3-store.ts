import { DeleteObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import { sha256 } from '../digest.js'
import { StoreError, type StoreOperation } from '../errors.js'
import {
  DEFAULT_MAX_SIZE,
  type GetOptions,
  type ListedObject,
  type ListOptions,
  type ObjectInfo,
  type ObjectLock,
  type OperationOptions,
  type PutOptions,
  type StoredObject,
} from '../object-store.js'
import { StoreBase } from '../store-base.js'
import type { StoreOptions } from '../store-options.js'
import { type ConditionalAnswer, ConditionalPut } from './conditional-put.js'
import { type CustomerKey, PutTraits, readCustomerKey } from './put-traits.js'
import { type S3Attempts, tryS3 } from './s3-attempts.js'
import { openS3Connection, type S3Connection } from './s3-client.js'
import { senselessAnswer, statusOf } from './s3-errors.js'
import { sendGet } from './s3-get.js'
import { sendList } from './s3-list.js'
import { type PutRequest, probeConditionalPut, sendConditionalPut, sendPut } from './s3-put.js'

const DEFAULT_ATTEMPTS = 4
const DEFAULT_REQUEST_TIMEOUT_MS = 300_000

const MAX_EMPTY_PAGES = 1000

/**
 * Put twice where it must be found out whether a store refuses to overwrite. Nothing else is done with it;
 * like every key with a dot in front it does not appear in lists.
 */
const PROBE_KEY = '.walship-probe'
const PROBE_BODY = Buffer.from('written by walship to see whether this store honours If-None-Match\n')

/**
 * Opens a bucket, or a prefix in it. Nothing is sent yet.
 *
 * @throws StoreError `STORE_OPTION`
 */
export async function openS3Store(bucket: string, prefix: string, options: StoreOptions): Promise<S3Store> {
  const s3 = options.s3 ?? {}
  const connection = await openS3Connection(s3, options.environment ?? {})
  try {
    let customerKey: CustomerKey | undefined
    if (s3.encryption?.kind === 'customer') {
      if (connection.endpoint?.startsWith('http:')) {
        throw new StoreError('a key of your own is not sent over a connection without TLS', {
          code: 'STORE_OPTION',
          hint: 'use an https endpoint, or another method of encryption',
        })
      }
      customerKey = await readCustomerKey(s3.encryption.keyFile)
    }
    return new S3Store(bucket, prefix, options, connection, customerKey)
  } catch (error) {
    connection.close()
    throw error
  }
}

/**
 * Objects in a bucket of S3, or of a service that speaks it.
 *
 * "Not there" is said only for S3's own `NoSuchKey`. A plain 404, as a HEAD gives it, can as well mean
 * that the bucket is gone or that something else answers; a 403 can hide a missing object from who may
 * not list the bucket.
 */
export class S3Store extends StoreBase {
  readonly name: string
  readonly #bucket: string
  readonly #prefix: string
  readonly #connection: S3Connection
  readonly #customerKey: CustomerKey | undefined
  readonly #traits: PutTraits
  readonly #conditional: ConditionalPut
  readonly #attempts: S3Attempts

  /** Use `openS3Store`. */
  constructor(
    bucket: string,
    prefix: string,
    options: StoreOptions,
    connection: S3Connection,
    customerKey: CustomerKey | undefined,
  ) {
    super()
    const s3 = options.s3 ?? {}
    const onAws = connection.endpoint === undefined
    this.name = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`
    this.#bucket = bucket
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.#connection = connection
    this.#customerKey = customerKey
    this.#traits = new PutTraits(s3, customerKey, onAws)
    this.#conditional = new ConditionalPut(s3.conditionalPut ?? 'auto', onAws)
    this.#attempts = {
      attempts: s3.attempts ?? DEFAULT_ATTEMPTS,
      requestTimeoutMs: s3.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
    }
  }

  get features() {
    return { createOnly: this.#conditional.works }
  }

  protected async putObject(key: string, body: Buffer, options: PutOptions): Promise<'created' | 'exists'> {
    const operation = this.#operation('put', key)
    const input = await this.#putInput(key, body, options)
    const send = <Result>(put: (request: PutRequest) => Promise<Result>): Promise<Result> =>
      this.#try(operation, options.signal, (abortSignal) => put({ ...input, operation, abortSignal }))
    if (!options.ifAbsent) {
      await send(sendPut)
      return 'created'
    }
    if (await this.#conditional.isToBeHad(() => this.#putProbe(options.signal)))
      return send(sendConditionalPut)
    return send(async (request) => {
      if ((await this.#look(key, operation, request.abortSignal)) !== null) return 'exists'
      await sendPut(request)
      return 'created'
    })
  }

  protected async getObject(key: string, options: GetOptions): Promise<StoredObject | null> {
    const operation = this.#operation('get', key)
    return this.#try(operation, options.signal, async (abortSignal) => {
      const offset = options.offset ?? 0
      const found =
        options.length === 0
          ? 'past-end'
          : await this.#get(key, operation, abortSignal, { ...options, offset })
      if (found !== 'past-end') return found
      const info = await this.#look(key, operation, abortSignal)
      return info === null ? null : { info, body: Buffer.alloc(0) }
    })
  }

  protected async headObject(key: string, options: OperationOptions): Promise<ObjectInfo | null> {
    const operation = this.#operation('head', key)
    return this.#try(operation, options.signal, (abortSignal) => this.#look(key, operation, abortSignal))
  }

  protected async *listPages(prefix: string, options: ListOptions): AsyncGenerator<readonly ListedObject[]> {
    const operation = this.#operation('list', prefix)
    let token: string | undefined
    let last = options.after ?? ''
    let empty = 0
    do {
      const page = await this.#try(operation, options.signal, (abortSignal) =>
        sendList({
          client: this.#connection.client,
          ...{ bucket: this.#bucket, folder: this.#prefix, prefix, token, last, operation, abortSignal },
          after: options.after,
          pageSize: options.pageSize,
        }),
      )
      // A store may have nothing to show on a page, but not for ever.
      empty = page.objects.length === 0 ? empty + 1 : 0
      if (page.token !== undefined && (page.token === token || empty > MAX_EMPTY_PAGES))
        throw senselessAnswer(operation, 'the list has no end')
      token = page.token
      last = page.objects.at(-1)?.key ?? last
      yield page.objects
    } while (token !== undefined)
  }

  protected async deleteObject(key: string, options: OperationOptions): Promise<void> {
    const operation = this.#operation('delete', key)
    // One by one: the request for many needs a checksum header that not every store accepts, and it is free.
    const command = { Bucket: this.#bucket, Key: this.#prefix + key }
    await this.#try(operation, options.signal, async (abortSignal) => {
      try {
        await this.#connection.client.send(new DeleteObjectCommand(command), { abortSignal })
      } catch (error) {
        if (!(error instanceof Error && error.name === 'NoSuchKey')) throw error
      }
    })
  }

  /** S3 tells of a lock only who may read it (s3:GetObjectRetention, s3:GetObjectLegalHold). */
  protected override async lockOfObject(key: string, options: OperationOptions): Promise<ObjectLock | null> {
    const operation = this.#operation('head', key)
    const input = { Bucket: this.#bucket, Key: this.#prefix + key, ...this.#customerKey }
    return this.#try(operation, options.signal, async (abortSignal) => {
      try {
        const answer = await this.#connection.client.send(new HeadObjectCommand(input), { abortSignal })
        if (answer.ObjectLockLegalHoldStatus === 'ON') return 'released'
        const until = answer.ObjectLockRetainUntilDate
        return until !== undefined && until.getTime() > Date.now() ? until : null
      } catch (error) {
        // Removed meanwhile, perhaps; whoever removes it will see.
        if (statusOf(error) === 404) return null
        throw error
      }
    })
  }

  protected async closeStore(): Promise<void> {
    this.#connection.close()
  }

  #operation(verb: StoreOperation['verb'], key: string): StoreOperation {
    return { verb, key, store: this.name }
  }

  #try<Result>(
    operation: StoreOperation,
    signal: AbortSignal | undefined,
    run: (abortSignal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    return tryS3(operation, this.#attempts, signal, run)
  }

  async #putInput(
    key: string,
    body: Buffer,
    options: PutOptions,
  ): Promise<Pick<PutRequest, 'client' | 'input' | 'sha256'>> {
    const hash = options.bodySha256 ?? (await sha256(body))
    const input = {
      Bucket: this.#bucket,
      Key: this.#prefix + key,
      Body: body,
      ContentLength: body.length,
      ContentType: key.endsWith('.json') ? 'application/json' : 'application/octet-stream',
      Metadata: { ...options.metadata },
      ...(await this.#traits.of(options.kind, body, hash, Date.now())),
    }
    return { client: this.#connection.client, input, sha256: hash }
  }

  async #putProbe(signal: AbortSignal | undefined): Promise<ConditionalAnswer> {
    const operation = this.#operation('put', PROBE_KEY)
    const input = await this.#putInput(PROBE_KEY, PROBE_BODY, { kind: 'tail', ifAbsent: true })
    return this.#try(operation, signal, (abortSignal) =>
      probeConditionalPut({ ...input, operation, abortSignal }),
    )
  }

  #get(
    key: string,
    operation: StoreOperation,
    abortSignal: AbortSignal,
    { offset = 0, length, maxSize = DEFAULT_MAX_SIZE }: GetOptions,
  ): Promise<StoredObject | null | 'past-end'> {
    const input = { Bucket: this.#bucket, Key: this.#prefix + key, ...this.#customerKey }
    return sendGet({
      client: this.#connection.client,
      ...{ input, key, offset, length, maxSize, operation, abortSignal },
    })
  }

  /** HEAD; when it finds nothing a GET asks again, whose answer has the room to say why. */
  async #look(key: string, operation: StoreOperation, abortSignal: AbortSignal): Promise<ObjectInfo | null> {
    const input = { Bucket: this.#bucket, Key: this.#prefix + key, ...this.#customerKey }
    try {
      const answer = await this.#connection.client.send(new HeadObjectCommand(input), { abortSignal })
      if (answer.ETag === undefined || answer.ContentLength === undefined)
        throw senselessAnswer(operation, 'it names no ETag or no length')
      return { key, size: answer.ContentLength, metadata: answer.Metadata ?? {} }
    } catch (error) {
      if (statusOf(error) !== 404) throw error
    }
    const found = await this.#get(key, operation, abortSignal, { length: 1 })
    if (found === 'past-end') throw senselessAnswer(operation, 'HEAD does not find it and GET does')
    return found?.info ?? null
  }
}
