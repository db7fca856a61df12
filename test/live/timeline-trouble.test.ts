/** A directory and a server that went different ways from a common past: neither may overwrite the other. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { namesIn } from './received-wal.js'
import { ReceiverProcess } from './receiver-process.js'
import { launchTestServer, MAJOR, reported, SEGMENT_SIZE, streaming, writeWal } from './test-server.js'

describe(`a directory on another timeline than its PostgreSQL ${MAJOR} server`, () => {
  /** Stayed on timeline 1. */
  let original: PostgresServer
  /** A copy of it that was promoted early, to timeline 2. */
  let promoted: PostgresServer

  const received = (name: string) => join(original.root, `received-${name}`)

  beforeAll(async () => {
    original = await launchTestServer()
    await original.stop()
    const copy = join(original.root, 'copy')
    await original.coldCopy(copy)
    await original.start()
    promoted = await PostgresServer.create({ major: MAJOR, dataDirectory: copy })
    await promoted.recover({ restore_command: 'false' }, 'promotion')
    await promoted.start()
    await waitFor('the end of recovery', async () => {
      return (await promoted.value('SELECT pg_is_in_recovery()')) === 'false'
    })
    await receiveFrom(original, received('original'))
    await receiveFrom(promoted, received('promoted'))
  })
  afterAll(async () => {
    await promoted?.[Symbol.asyncDispose]()
    await original?.[Symbol.asyncDispose]()
  })

  async function receiveFrom(server: PostgresServer, directory: string): Promise<void> {
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory)
    await using receiver = ReceiverProcess.dropIn(['-D', directory, '--synchronous', '-d', server.dsn])
    await streaming(server)
    await reported(server, 'flush_lsn', await writeWal(server, 2.5 * SEGMENT_SIZE))
    expect((await receiver.stop()).status).toBe(0)
  }

  /** The drop-in tries for ever, as the original; for walship it is a matter for a person. */
  async function expectRefusal(directory: string, server: PostgresServer, text: RegExp, hint: string) {
    const before = await namesIn(directory)
    const args = ['-D', directory, '-d', server.dsn]
    await using dropIn = ReceiverProcess.dropIn(args)
    await dropIn.said(/^pg_receivewal: disconnected; waiting 5 seconds to try again$/m)
    expect(dropIn.stderr).toMatch(text)
    expect(dropIn.stderr).toContain(`pg_receivewal: hint: ${hint}`)
    await dropIn.stop()

    await using walship = ReceiverProcess.walship(args)
    const { status, stderr } = await walship.exit
    expect(status).toBe(1)
    expect(stderr).toMatch(/"event":"failed".*"retryable":false/)
    expect(stderr).toContain(hint)
    expect(stderr).not.toContain('"event":"retrying"')
    expect(await namesIn(directory)).toEqual(before)
  }

  it('a later one than the server knows', () =>
    expectRefusal(
      received('promoted'),
      original,
      /^pg_receivewal: error: starting timeline 2 is not present in the server$/m,
      'the server was restored to, or left behind at, an earlier timeline',
    ))

  it('a branch that the server left before', () =>
    expectRefusal(
      received('original'),
      promoted,
      /^pg_receivewal: error: could not send replication command "START_REPLICATION": ERROR: {2}requested starting point \S+ on timeline 1 is not in this server's history\nDETAIL: /m,
      'the directory is ahead of this server, or on a branch of its history that it left',
    ))
})
