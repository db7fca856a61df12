import { afterAll, beforeAll } from 'vitest'
import { openStore, type StoreOptions } from '../../src/store/index.js'
import { describeWithS3, openTestBucket, type TestBucket } from '../support/s3-server.js'
import { describeObjectStore } from './object-store-contract.js'

let bucket: TestBucket
let folder = 0

export function s3Options(access: TestBucket, more: StoreOptions['s3'] = {}): StoreOptions {
  const { endpoint, region, accessKeyId, secretAccessKey } = access
  return { s3: { endpoint, region, credentials: { accessKeyId, secretAccessKey }, ...more } }
}

describeWithS3('s3', () => {
  beforeAll(async () => {
    bucket = await openTestBucket()
  })
  afterAll(() => bucket[Symbol.asyncDispose]())

  describeObjectStore('s3', async () => {
    const url = `${bucket.url}/${folder++}`
    return {
      store: await openStore(url, s3Options(bucket)),
      second: await openStore(url, s3Options(bucket, { checksum: 'crc32' })),
      dispose: async () => {},
    }
  })
})
