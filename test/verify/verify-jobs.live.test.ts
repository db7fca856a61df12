import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cp, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { s3Environment } from '../../scripts/s3-server.js'
import { prepareWorkload, runWorkload, workloadSettings } from '../../scripts/wal-workload.js'
import { openStore, parseStoreOptions, WalArchive } from '../../src/store/index.js'
import { type VerifyReport, verifyWal, type WalSourceSpec } from '../../src/verify/index.js'
import { describeWithS3, openTestBucket, type TestBucket } from '../support/s3-server.js'

const SEGMENT_SIZE = 1024 * 1024
const MANY_THREADS = [2, 3, 8]

/** Segments of the damaged copy that a bit was turned in, by their place: within runs of all lengths and at their seams. */
const DAMAGED = [3, 4, 15, 16]
const MISSING = 9

describe('walship verify with several threads', () => {
  const root = mkdtempSync(join(tmpdir(), 'walship-verify-jobs-'))
  const whole = join(root, 'whole')
  const damaged = join(root, 'damaged')
  let names: string[]

  beforeAll(async () => {
    await using server = await PostgresServer.launch({ segmentSizeMb: 1, settings: workloadSettings(18) })
    await prepareWorkload(server)
    await runWorkload(server, 0, 1)
    await server.query('SELECT pg_switch_wal()')
    await server.stop()
    await mkdir(whole)
    names = readdirSync(server.walDirectory)
      .filter((name) => /^[0-9A-F]{24}$/.test(name))
      .sort()
      .slice(0, 24)
    for (const name of names) await cp(join(server.walDirectory, name), join(whole, name))
    await cp(whole, damaged, { recursive: true })
    for (const place of DAMAGED) {
      const path = join(damaged, names[place]!)
      const bytes = readFileSync(path)
      bytes[(SEGMENT_SIZE >> 1) + 5000]! ^= 4
      writeFileSync(path, bytes)
    }
    rmSync(join(damaged, names[MISSING]!))
  }, 180_000)

  afterAll(() => rmSync(root, { recursive: true, force: true }))

  it('finds in a directory what one thread finds', async () => {
    await expectSame({ kind: 'directory', path: whole }, 0)
    await expectSame({ kind: 'directory', path: damaged }, DAMAGED.length)
  })

  it('tells of a directory that is not there', async () => {
    const source: WalSourceSpec = { kind: 'directory', path: join(root, 'nowhere') }
    await expect(check(source, 3)).rejects.toMatchObject({ code: 'DIRECTORY_OPEN_FAILED' })
  })

  it('ends at once when it is told to', async () => {
    const stop = new AbortController()
    const reason = new Error('enough')
    const checked = verifyWal({
      source: { kind: 'directory', path: whole },
      jobs: 3,
      signal: stop.signal,
      onProgress: ({ filesDone }) => filesDone > 0 && stop.abort(reason),
    })
    await expect(checked).rejects.toBe(reason)
  })

  describeWithS3('in S3', () => {
    let bucket: TestBucket

    beforeAll(async () => {
      bucket = await openTestBucket()
      // Where programs find them; threads too.
      for (const [name, value] of Object.entries(s3Environment(bucket))) vi.stubEnv(name, value)
    })
    afterAll(async () => {
      vi.unstubAllEnvs()
      await bucket[Symbol.asyncDispose]()
    })

    it('finds what one thread finds', async () => {
      await expectSame(await archived('whole', whole), 0)
      await expectSame(await archived('damaged', damaged), DAMAGED.length)
    })

    /** Puts a directory's segments into an archive, damaged ones as they are. */
    async function archived(prefix: string, directory: string): Promise<WalSourceSpec> {
      const url = `${bucket.url}/${prefix}`
      const values = { 's3-endpoint': bucket.endpoint, 's3-region': bucket.region }
      const environment = s3Environment(bucket)
      const store = await openStore(url, parseStoreOptions(values, environment))
      const archive = await WalArchive.open(store, {
        compression: { algorithm: 'lz4', level: undefined },
        identity: {
          systemIdentifier: String(readFileSync(join(whole, names[0]!)).readBigUInt64LE(24)),
          segmentSize: SEGMENT_SIZE,
          layoutVersion: 1,
        },
      })
      for (const name of readdirSync(directory))
        await archive.putSegment(name, readFileSync(join(directory, name)))
      await store.close()
      return { kind: 'archive', url, values, environment }
    }
  })
})

async function expectSame(source: WalSourceSpec, problemCount: number): Promise<void> {
  const one = await check(source, 1)
  // A long record may be hit twice, and the missing segment is one more.
  expect(one.problems.length > 0).toBe(problemCount > 0)
  expect(one.problems.length).toBeGreaterThanOrEqual(problemCount)
  expect(one.records).toBeGreaterThan(10_000)
  for (const jobs of MANY_THREADS) expect(await check(source, jobs)).toEqual(one)
}

function check(source: WalSourceSpec, jobs: number): Promise<VerifyReport> {
  return verifyWal({ source, jobs, signal: new AbortController().signal })
}
