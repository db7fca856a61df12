import { readFile } from 'node:fs/promises'
import type { PutObjectCommandInput } from '@aws-sdk/client-s3'
import { errnoText } from '../../base/index.js'
import { md5 } from '../digest.js'
import { StoreError } from '../errors.js'
import type { ObjectKind } from '../object-store.js'
import type { S3Options } from '../store-options.js'

const DAY_MS = 86_400_000

/** What reading needs as well when objects are encrypted with a key of our own. */
export interface CustomerKey {
  readonly SSECustomerAlgorithm: 'AES256'
  /** base64 */
  readonly SSECustomerKey: string
}

type Traits = Partial<Omit<PutObjectCommandInput, 'Body'>>

/** What the options add to a put, by the kind of the object: see `ObjectKind`. */
export class PutTraits {
  readonly #options: S3Options
  readonly #customerKey: CustomerKey | undefined
  readonly #checksum: 'none' | 'sha256' | 'crc32' | 'crc32c'
  readonly #tagging: string | undefined

  constructor(options: S3Options, customerKey: CustomerKey | undefined, onAws: boolean) {
    const checksum = options.checksum ?? 'auto'
    this.#options = options
    this.#customerKey = customerKey
    this.#checksum = checksum !== 'auto' ? checksum : onAws ? 'sha256' : 'none'
    this.#tagging =
      options.tags === undefined ? undefined : new URLSearchParams({ ...options.tags }).toString()
  }

  async of(kind: ObjectKind, body: Buffer, sha256: Buffer, nowMs: number): Promise<Traits> {
    const lock = kind === 'tail' || kind === 'index' ? undefined : this.#options.objectLock
    return {
      ...this.#encryption(),
      ...(await this.#checksumHeader(body, sha256, lock !== undefined)),
      ...(kind === 'wal' && this.#options.storageClass !== undefined
        ? { StorageClass: this.#options.storageClass as PutObjectCommandInput['StorageClass'] }
        : {}),
      ...(kind !== 'tail' && kind !== 'identity' && this.#tagging !== undefined
        ? { Tagging: this.#tagging }
        : {}),
      ...(lock === undefined
        ? {}
        : { ObjectLockMode: lock.mode, ObjectLockRetainUntilDate: new Date(nowMs + lock.days * DAY_MS) }),
    }
  }

  #encryption(): Traits {
    switch (this.#options.encryption?.kind) {
      case undefined:
        return {}
      case 's3':
        return { ServerSideEncryption: 'AES256' }
      case 'kms':
        return { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: this.#options.encryption.keyId }
      case 'customer':
        return { ...this.#customerKey }
    }
  }

  async #checksumHeader(body: Buffer, sha256: Buffer, locked: boolean): Promise<Traits> {
    switch (this.#checksum) {
      case 'sha256':
        return { ChecksumSHA256: sha256.toString('base64') }
      case 'crc32':
        return { ChecksumAlgorithm: 'CRC32' }
      case 'crc32c':
        return { ChecksumAlgorithm: 'CRC32C' }
      case 'none':
        // S3 takes an object with a lock only together with a checksum; this one every store knows.
        return locked ? { ContentMD5: (await md5(body)).toString('base64') } : {}
    }
  }
}

/** @throws StoreError `STORE_OPTION` when the file cannot be read or holds no key of 32 bytes */
export async function readCustomerKey(path: string): Promise<CustomerKey> {
  let content: Buffer
  try {
    content = await readFile(path)
  } catch (error) {
    throw new StoreError(`could not read key file "${path}": ${errnoText(error)}`, {
      code: 'STORE_OPTION',
      hint: 'name a readable file by --s3-sse-c-key-file',
      cause: error,
    })
  }
  const key = content.length === 32 ? content : fromBase64(content.toString('latin1').trim())
  if (key?.length !== 32) {
    throw new StoreError(`key file "${path}" holds no key of 32 bytes`, {
      code: 'STORE_OPTION',
      hint: 'make one with: openssl rand -base64 32',
    })
  }
  return { SSECustomerAlgorithm: 'AES256', SSECustomerKey: key.toString('base64') }
}

function fromBase64(text: string): Buffer | null {
  return /^[A-Za-z0-9+/]{43}=$/.test(text) ? Buffer.from(text, 'base64') : null
}
