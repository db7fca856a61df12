/** A bucket behind a fault proxy: receivers that ship into it, servers that recover from it, and a look at what it holds. */
import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { DEFAULT_STORE_COMPRESSION } from '../../src/codec/index.js'
import { type ObjectStore, openStore, parseStoreOptions, WalArchive } from '../../src/store/index.js'
import { ReceiverProcess } from '../live/receiver-process.js'
import { FaultProxy } from '../support/fault-proxy.js'
import { openTestBucket, s3Environment, type TestBucket } from '../support/s3-server.js'

const WALSHIP = fileURLToPath(new URL('../../bin/walship', import.meta.url))

/** One object as it is in the bucket. */
export interface KeptObject {
  readonly key: string
  readonly size: number
}

export class DrillBucket {
  readonly bucket: TestBucket
  /** Receivers and recovering servers reach the bucket through it; the test itself goes around it. */
  readonly proxy: FaultProxy

  private constructor(bucket: TestBucket, proxy: FaultProxy) {
    this.bucket = bucket
    this.proxy = proxy
  }

  /** Gone when the test that asked for it is over. */
  static async open(): Promise<DrillBucket> {
    const bucket = await openTestBucket()
    onTestFinished(() => bucket[Symbol.asyncDispose]())
    const proxy = await FaultProxy.start(bucket.endpoint)
    onTestFinished(() => proxy.stop())
    return new DrillBucket(bucket, proxy)
  }

  get url(): string {
    return this.bucket.url
  }

  /** `walship receive` from this server into this bucket. Killed when the test is over. */
  receive(server: PostgresServer, directory: string, ...options: string[]): ReceiverProcess {
    const connection = `${server.dsn} application_name=walship_standby`
    return this.receiveWith(['-D', directory, '-d', connection, ...options])
  }

  /** The same with a command line and an environment of the test's own. */
  receiveWith(args: readonly string[], env: Readonly<Record<string, string>> = {}): ReceiverProcess {
    const store = ['--store', this.url, '--s3-endpoint', this.proxy.endpoint, '--log-format', 'json']
    const receiver = ReceiverProcess.walship([...store, ...args], {
      env: { ...s3Environment(this.bucket), ...env },
    })
    onTestFinished(() => receiver[Symbol.asyncDispose]())
    return receiver
  }

  /** The restore_command of a server that recovers from this bucket. */
  restoreCommand(...options: string[]): string {
    const environment = Object.entries({
      ...s3Environment(this.bucket),
      PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
    })
    const words = [
      'env',
      ...environment.map(([name, value]) => `${name}=${value}`),
      `"${WALSHIP}"`,
      'fetch',
      ...['--store', this.url, '--s3-endpoint', this.proxy.endpoint],
      ...options,
      '%f',
      '"%p"',
    ]
    return words.join(' ')
  }

  async store(): Promise<ObjectStore> {
    // The SDK finds keys in the environment of its own process only.
    Object.assign(process.env, s3Environment(this.bucket))
    const store = await openStore(this.url, parseStoreOptions({ 's3-endpoint': this.bucket.endpoint }, {}))
    onTestFinished(() => store.close())
    return store
  }

  /** The archive, as soon as a receiver has made it one. */
  async archive(): Promise<WalArchive> {
    const store = await this.store()
    return waitFor('the archive to be made', async () => {
      const archive = await WalArchive.open(store, { compression: DEFAULT_STORE_COMPRESSION })
      return archive.identity === null ? null : archive
    })
  }

  /** All objects, ordered by key. */
  async objects(): Promise<KeptObject[]> {
    const store = await this.store()
    const objects: KeptObject[] = []
    for await (const object of store.list('')) objects.push(object)
    return objects
  }

  /** Key and content of every object, to see that nothing at all was changed. */
  async fingerprint(): Promise<Map<string, string>> {
    const store = await this.store()
    const prints = new Map<string, string>()
    for (const { key } of await this.objects()) {
      const object = await store.get(key)
      prints.set(key, object === null ? 'gone' : createHash('sha256').update(object.body).digest('hex'))
    }
    return prints
  }
}

/** The log lines of a receiver with this event name. */
export function logged(receiver: ReceiverProcess, event: string): Record<string, unknown>[] {
  return receiver.stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line.event === event)
}

/** Returns when the receiver has logged this event so many times. */
export async function hasLogged(receiver: ReceiverProcess, event: string, times = 1): Promise<void> {
  await receiver.said(new RegExp(`(?:"event":"${event}"[^]*){${times}}`))
}
