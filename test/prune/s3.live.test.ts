/** A bucket is pruned through a network with faults: whatever ends it, what is left is whole. */
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DEFAULT_STORE_COMPRESSION } from '../../src/codec/index.js'
import { openStore, WalArchive } from '../../src/store/index.js'
import { DrillBucket } from '../drills/drill-bucket.js'
import { ReceiverProcess } from '../live/receiver-process.js'
import { SEGMENT_SIZE, SYSTEM_IDENTIFIER, segmentBytes, segmentNamed } from '../restore/known-segments.js'
import { ScriptedS3 } from '../store/scripted-s3.js'
import { internalError, lostResponse, slowDown } from '../support/fault-proxy.js'
import { describeWithOwnS3, describeWithS3, S3Server, s3Client, s3Environment } from '../support/s3-server.js'

const WALSHIP = fileURLToPath(new URL('../../bin/walship', import.meta.url))
const SEGMENTS = 20

async function filledBucket(): Promise<{ bucket: DrillBucket; archive: WalArchive }> {
  const bucket = await DrillBucket.open()
  const identity = {
    systemIdentifier: String(SYSTEM_IDENTIFIER),
    segmentSize: SEGMENT_SIZE,
    layoutVersion: 1,
  } as const
  const options = { compression: DEFAULT_STORE_COMPRESSION, identity }
  const archive = await WalArchive.open(await bucket.store(), options)
  for (let number = 1; number <= SEGMENTS; number++) {
    await archive.putSegment(segmentNamed(number), segmentBytes(segmentNamed(number)))
    await archive.putIndex(segmentNamed(number), 1, Buffer.from('{}'))
  }
  bucket.proxy.forget()
  return { bucket, archive }
}

function prune(bucket: DrillBucket, ...options: string[]): ReceiverProcess {
  const place = ['--store', bucket.url, '--s3-endpoint', bucket.proxy.endpoint]
  const rule = ['--before-segment', segmentNamed(11), '--apply']
  const started = new ReceiverProcess(WALSHIP, ['prune', ...place, ...rule, ...options], {
    env: s3Environment(bucket.bucket),
  })
  onTestFinished(() => started[Symbol.asyncDispose]())
  return started
}

/** What is left has no hole: the numbers of the first and the last segment. */
async function leftOf(archive: WalArchive): Promise<[string, string]> {
  const names: string[] = []
  for await (const name of archive.listSegments(1)) names.push(name)
  const numbers = names.map((name) => Number.parseInt(name.slice(16), 16))
  expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index))
  return [names[0]!, names.at(-1)!]
}

const key = (number: number) => new RegExp(`/wal/.*${segmentNamed(number)}`)
const END = segmentNamed(SEGMENTS)

describeWithS3('walship prune in a bucket', () => {
  it('removes segments and their indexes, also when answers are late, lost or no', async () => {
    const { bucket, archive } = await filledBucket()
    const slow = bucket.proxy.plan({ method: 'DELETE', key: key(3) }, slowDown, { times: 2 })
    const lost = bucket.proxy.plan({ method: 'DELETE', key: key(7) }, lostResponse)
    const { status, stdout, stderr } = await prune(bucket).exit
    expect([status, stderr]).toEqual([0, ''])
    expect([slow.hits, lost.hits]).toEqual([2, 1])
    expect(stdout).toContain('removed 10 files')
    expect(await leftOf(archive)).toEqual([segmentNamed(11), END])
    const keys = (await bucket.objects()).map((object) => object.key)
    expect(keys.filter((each) => each.startsWith('index/'))).toHaveLength(SEGMENTS - 10)
    expect(keys).toContain('cluster.json')
    // One after the other, the oldest first.
    const order = bucket.proxy.requests
      .filter(
        ({ method, key: each, status: said }) => method === 'DELETE' && /\/wal\//.test(each) && said === 204,
      )
      .map(({ key: each }) => each.slice(each.lastIndexOf('/') + 1, each.lastIndexOf('/') + 25))
    expect(order).toEqual([...order].sort())
  }, 120_000)

  it('leaves no hole when it fails, and goes on from there', async () => {
    const { bucket, archive } = await filledBucket()
    bucket.proxy.plan({ method: 'DELETE', key: key(5) }, internalError, { times: Infinity })
    const failed = await prune(bucket, '--s3-attempts', '1').exit
    expect(failed.status).toBe(2)
    expect(failed.stderr).toContain('could not remove')
    expect(await leftOf(archive)).toEqual([segmentNamed(5), END])
    bucket.proxy.heal()
    expect((await prune(bucket).exit).status).toBe(0)
    expect(await leftOf(archive)).toEqual([segmentNamed(11), END])
  }, 120_000)

  it('leaves no hole when it is killed', async () => {
    const { bucket, archive } = await filledBucket()
    const held = bucket.proxy.plan(
      { method: 'DELETE', key: key(6) },
      { kind: 'stall', at: 'before response' },
    )
    const killed = prune(bucket)
    await held.hit()
    expect((await killed.stop('SIGKILL')).status).toBe('SIGKILL')
    expect(await leftOf(archive)).toEqual([segmentNamed(7), END])
    bucket.proxy.heal()
    expect((await prune(bucket).exit).status).toBe(0)
    expect(await leftOf(archive)).toEqual([segmentNamed(11), END])
  }, 120_000)

  it('refuses what would leave nothing, or has a hole in what it is to keep', async () => {
    const { bucket, archive } = await filledBucket()
    const beyond = await prune(bucket, '--before-segment', segmentNamed(40)).exit
    expect([beyond.status, beyond.stderr]).toEqual([
      1,
      expect.stringContaining('no WAL of timeline 1 would be left'),
    ])
    const store = await bucket.store()
    await store.delete([`wal/00000001/${segmentNamed(15)}.lz4`])
    const holed = await prune(bucket).exit
    expect([holed.status, holed.stderr]).toEqual([
      1,
      expect.stringContaining('0/F00000 to 0/1000000 on timeline 1 is missing'),
    ])
    expect((await archive.inventory()).segments).toHaveLength(SEGMENTS - 1)
    const forced = await prune(bucket, '--ignore-gaps').exit
    expect(forced.status).toBe(0)
    expect((await archive.inventory()).segments).toHaveLength(SEGMENTS - 11)
  }, 120_000)
})

describeWithOwnS3('walship prune in a bucket with object lock', () => {
  it('keeps what is locked, says until when, and is content', async () => {
    await using server = await S3Server.start()
    const client = s3Client(server)
    await client.send(new CreateBucketCommand({ Bucket: 'locked', ObjectLockEnabledForBucket: true }))
    client.destroy()
    const { endpoint, region, accessKeyId, secretAccessKey } = server
    const open = (objectLock?: { mode: 'COMPLIANCE'; days: number }) =>
      openStore('s3://locked/main', {
        s3: { endpoint, region, credentials: { accessKeyId, secretAccessKey }, objectLock },
      })
    const [plain, locking] = await Promise.all([open(), open({ mode: 'COMPLIANCE', days: 3 })])
    onTestFinished(async () => void (await Promise.all([plain.close(), locking.close()])))
    const systemIdentifier = String(SYSTEM_IDENTIFIER)
    const identity = { systemIdentifier, segmentSize: SEGMENT_SIZE, layoutVersion: 1 } as const
    const options = { compression: DEFAULT_STORE_COMPRESSION, identity }
    const early = await WalArchive.open(plain, options)
    const late = await WalArchive.open(locking, options)
    for (let number = 1; number <= 20; number++)
      await (number <= 4 ? early : late).putSegment(segmentNamed(number), segmentBytes(segmentNamed(number)))

    const args = ['prune', '--store', 's3://locked/main', '--s3-endpoint', endpoint]
    const run = (...more: string[]) =>
      new ReceiverProcess(WALSHIP, [...args, '--before-segment', segmentNamed(11), ...more], {
        env: s3Environment(server),
      }).exit
    const until = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10)
    const shown = await run()
    expect([shown.status, shown.stderr]).toEqual([0, ''])
    expect(shown.stdout).toMatch(new RegExp(`0/500000 +0/B00000 +6 .* stays +locked until ${until}`))
    expect(shown.stdout).toContain('dry run: 4 files')
    const applied = await run('--apply')
    expect([applied.status, applied.stdout]).toEqual([0, expect.stringContaining('removed 4 files')])
    expect((await early.inventory()).segments).toHaveLength(16)
    expect((await run('--apply')).stdout).toContain('nothing is to go')
  }, 120_000)
})

describe('locks of a bucket', () => {
  it.each([
    [
      'a retention',
      {
        'x-amz-object-lock-retain-until-date': '2199-01-01T00:00:00Z',
        'x-amz-object-lock-mode': 'COMPLIANCE',
      },
      new Date('2199-01-01T00:00:00Z'),
    ],
    [
      'one that is over',
      {
        'x-amz-object-lock-retain-until-date': '2020-01-01T00:00:00Z',
        'x-amz-object-lock-mode': 'COMPLIANCE',
      },
      null,
    ],
    ['a legal hold', { 'x-amz-object-lock-legal-hold': 'ON' }, 'released'],
    ['none', {}, null],
  ])('%s', async (_, headers, expected) => {
    await using server = await ScriptedS3.start(() => ({ status: 200, headers: { etag: '"1"', ...headers } }))
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' }
    const store = await openStore('s3://bucket/prefix', { s3: { endpoint: server.endpoint, credentials } })
    expect(await store.lockOf('wal/x')).toEqual(expected)
    await store.close()
  })
})
