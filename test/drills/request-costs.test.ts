/** What the archive costs in requests, counted at the store and held against the table in docs/archive.md. */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { testDirectory } from '../live/test-directory.js'
import { launchTestServer, MAJOR, streaming, switchSegment, writeWal } from '../live/test-server.js'
import { describeWithS3 } from '../support/s3-server.js'
import { archived } from './archived-wal.js'
import { DrillBucket, hasLogged } from './drill-bucket.js'
import { LISTS_PER_SEGMENT, PARTS_PER_MERGE, requestsFor, requestsPerHour } from './request-rules.js'

const INTERVAL_MS = 100
const IDLE_MS = 2000
/** US dollars, as in the docs. */
const PUT_PRICE = 0.005 / 1000
const GET_PRICE = 0.0004 / 1000
const HOURS_PER_MONTH = 720

describeWithS3(`requests to the store, PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  let bucket: DrillBucket

  beforeEach(async () => {
    bucket = await DrillBucket.open()
    server = await launchTestServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
  })

  /** Starts a receiver, and forgets what its start has cost. */
  async function started(...options: string[]) {
    const args = ['-S', 'drill', '--ensure-slot', ...options]
    const receiver = bucket.receive(server, await testDirectory(), ...args)
    await streaming(server)
    await writeWal(server, 1024)
    await archived(await bucket.archive(), await switchSegment(server))
    await hasLogged(receiver, 'segment_archived')
    await sleep(1500)
    bucket.proxy.forget()
    return receiver
  }

  async function commit(): Promise<void> {
    await server.query(`SELECT pg_logical_emit_message(true, 'walship', 'x')`)
  }

  /** Requests by kind. */
  function counted(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { method, key, query } of bucket.proxy.requests) {
      const place = key === '' ? (query.get('prefix') ?? 'many') : key
      const kind = `${method} ${/(?:^|\/)(wal|tail|history|gaps|index)\//.exec(place)?.[1] ?? 'other'}`
      counts[kind] = (counts[kind] ?? 0) + 1
    }
    return counts
  }

  it('costs none while nothing is written', async () => {
    await started('--tail-interval', '0.1')
    await sleep(IDLE_MS)
    expect(counted()).toEqual({})
  })

  it('costs two PUTs, one for its index, two LISTs and one HEAD for each segment without a tail', async () => {
    const receiver = await started('--tail-interval', '0')
    for (let segment = 0; segment < 5; segment++) {
      await commit()
      await switchSegment(server)
    }
    await hasLogged(receiver, 'segment_archived', 6)
    const { puts, lists, heads, deletes } = requestsFor(5, 0)
    await waitFor('the indexes', () => counted()['PUT index'] === 5)
    const indexes = { 'PUT index': 5 }
    expect(counted()).toEqual({ 'PUT wal': puts - 5, ...indexes, 'HEAD wal': heads, 'GET wal': lists })
    expect(deletes).toBe(0)
  })

  it('costs one PUT for each interval of a tail, and a few for merging and tidying up', async () => {
    await started('--tail-interval', String(INTERVAL_MS / 1000))
    const begun = Date.now()
    while ((counted()['PUT tail'] ?? 0) <= PARTS_PER_MERGE + 3) await commit()
    const elapsedMs = Date.now() - begun
    await switchSegment(server)
    await waitFor('the tail to go', () => {
      const { 'PUT tail': put, 'DELETE tail': deleted, 'HEAD wal': seen } = counted()
      return seen === 1 && deleted === put && counted()['PUT index'] === 1
    })
    const { 'PUT tail': tailPuts = 0, ...others } = counted()
    const parts = tailPuts - 1
    expect(parts).toBeLessThanOrEqual(Math.ceil(elapsedMs / INTERVAL_MS) + 2)
    const { puts, lists, heads, deletes } = requestsFor(1, parts)
    expect(tailPuts + 2).toBe(puts)
    const segment = { 'PUT wal': 1, 'PUT index': 1, 'HEAD wal': heads, 'GET wal': LISTS_PER_SEGMENT }
    expect(others).toEqual({ 'GET tail': lists - LISTS_PER_SEGMENT, 'DELETE tail': deletes, ...segment })
  })
})

describe('the table of requests in docs/archive.md', () => {
  it('says what the rules say', async () => {
    const docs = await readFile(new URL('../../docs/archive.md', import.meta.url), 'utf8')
    const rows = [...docs.matchAll(/^\| (\d+) segments? \| (\d+) s? ?\| (.*) \|$/gm)]
    expect(rows).toHaveLength(8)
    for (const [, segments, interval, figures] of rows) {
      const { puts, lists, heads, deletes } = requestsPerHour(Number(segments), Number(interval))
      const dollars = ((puts + lists) * PUT_PRICE + heads * GET_PRICE) * HOURS_PER_MONTH
      expect(figures).toBe([puts, lists, heads, deletes, dollars.toFixed(2)].join(' | '))
    }
  })
})
