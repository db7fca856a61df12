import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { namesIn } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import { launchTestServer, MAJOR, reported, SEGMENT_SIZE, streaming, writeWal } from './test-server.js'

describe(`a directory that belongs to another cluster, PostgreSQL ${MAJOR}`, () => {
  let ours: PostgresServer
  let theirs: PostgresServer

  beforeAll(async () => {
    ours = await launchTestServer()
    theirs = await launchTestServer()
  })
  afterAll(async () => {
    await ours?.[Symbol.asyncDispose]()
    await theirs?.[Symbol.asyncDispose]()
  })

  it.each([
    ['plain', []],
    ['lz4', ['-Z', 'lz4']],
    ['gzip', ['-Z', 'gzip']],
  ])('is refused, and nothing in it is touched (%s)', async (_name, more) => {
    const directory = await testDirectory()
    const first = ReceiverProcess.dropIn(['-D', directory, '--synchronous', '-d', ours.dsn, ...more])
    await streaming(ours)
    const end = await writeWal(ours, SEGMENT_SIZE / 2)
    await reported(ours, 'flush_lsn', end)
    await first.stop()
    const before = await namesIn(directory)
    expect(before.length).toBeGreaterThan(0)

    // Also without --no-loop: no later try can be right.
    const other = ReceiverProcess.dropIn(['-D', directory, '-d', theirs.dsn, ...more])
    const { status, stderr } = await other.exit
    expect(status).toBe(1)
    expect(stderr).toContain(`directory "${directory}" holds WAL of another cluster`)
    expect(stderr).toContain('hint: use another directory for this cluster')
    expect(await namesIn(directory)).toEqual(before)
  })
})
