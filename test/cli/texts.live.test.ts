import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { PEER_MAJOR, peerIsInstalled, startPeer } from '../live/peer.js'
import { ReceiverProcess } from '../live/receiver-process.js'
import { launchTestServer } from '../live/test-server.js'

/** What both programs print and how they exit, on the same server one after the other. */
const folder = mkdtempSync(join(tmpdir(), 'walship-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Hints are ours (docs/differences.md); all else has to be the same, down to the line breaks. */
function withoutHints(text: string): string {
  return text.replace(/^pg_receivewal: hint: .*\n/gm, '')
}

interface Outcome {
  readonly status: number | NodeJS.Signals
  readonly text: string
}

/** Lets one program and then the other do the same, each with a directory of its own. */
async function both(
  args: (directory: string) => readonly string[],
  meanwhile?: (receiver: ReceiverProcess, directory: string) => Promise<unknown>,
): Promise<{ ours: Outcome; original: Outcome; files: string[][] }> {
  const outcomes: Outcome[] = []
  const files: string[][] = []
  for (const start of [startPeer, ReceiverProcess.dropIn]) {
    const directory = mkdtempSync(join(folder, 'wal-'))
    await using receiver = start(args(directory))
    await meanwhile?.(receiver, directory)
    const { status, stdout, stderr } = await receiver.exit
    expect(stdout).toBe('')
    outcomes.push({ status, text: withoutHints(stderr).replaceAll(directory, 'DIRECTORY') })
    files.push(readdirSync(directory).sort())
  }
  return { original: outcomes[0]!, ours: outcomes[1]!, files }
}

async function somethingWritten(directory: string): Promise<void> {
  await waitFor('the first WAL file', () => readdirSync(directory).length > 0)
}

describe.skipIf(!peerIsInstalled)(
  'texts and exit statuses, compared with the installed pg_receivewal',
  () => {
    let server: PostgresServer
    let connection: readonly string[]

    beforeAll(async () => {
      server = await launchTestServer({ major: PEER_MAJOR })
      connection = ['-h', server.host, '-p', String(server.port), '-U', server.user]
      await server.query("SELECT pg_create_physical_replication_slot('taken')")
      await server
        .query("SELECT pg_create_logical_replication_slot('logical', 'test_decoding')")
        .catch(() => {})
    })
    afterAll(() => server?.[Symbol.asyncDispose]())

    const CASES: readonly (readonly [string, (directory: string) => readonly string[]])[] = [
      ['slot that exists', () => [...connection, '--create-slot', '-S', 'taken', '-v']],
      ['slot that may exist', () => [...connection, '--create-slot', '-S', 'taken', '-v', '--if-not-exists']],
      ['slot to drop that is missing', () => [...connection, '--drop-slot', '-S', 'nope', '-v']],
      ['missing slot', (directory) => [...connection, '-D', directory, '-n', '-v', '-S', 'nope']],
      ['unknown user', (directory) => [...connection, '-U', 'nobody', '-D', directory]],
      ['no server on the socket', (directory) => ['-h', '/nonexistent', '-p', '1', '-D', directory]],
      ['no server on the port', (directory) => ['-h', '127.0.0.1', '-p', '1', '-D', directory, '-n']],
      ['bare word as connection string', (directory) => ['-d', 'postgres', '-D', directory]],
      ['unknown keyword', (directory) => ['-d', 'foo=1', '-D', directory]],
      ['open quote', (directory) => ['-d', "host='x", '-D', directory]],
      ['bad port', (directory) => ['-h', '127.0.0.1', '-p', 'x', '-D', directory]],
      ['bad sslmode', (directory) => [...connection, '-d', 'sslmode=maybe', '-D', directory]],
      ['end position reached', (directory) => [...connection, '-D', directory, '-v', '-E', '0/1']],
    ]

    it.each(CASES)('%s', async (_case, args) => {
      const { ours, original } = await both(args)
      expect(ours).toEqual(original)
    })

    it.each(['-n', '--no-sync', '--synchronous'])('interrupted, with %s', async (option) => {
      const { ours, original, files } = await both(
        (directory) => [...connection, '-D', directory, '-v', option],
        async (receiver, directory) => {
          await receiver.said(/starting log streaming/)
          await server.query("SELECT pg_logical_emit_message(true, 'walship', 'x')")
          await somethingWritten(directory)
          await receiver.stop('SIGINT')
        },
      )
      expect(ours).toEqual(original)
      expect(ours.status).toBe(0)
      expect(files[1]).toEqual(files[0])
    })

    it.each(['fast', 'immediate'] as const)('a server that stops (%s), with --no-loop', async (mode) => {
      const { ours, original } = await both(
        (directory) => [...connection, '-D', directory, '-v', '-n'],
        async (receiver, directory) => {
          await receiver.said(/starting log streaming/)
          await somethingWritten(directory)
          await server.restart(mode)
        },
      )
      const position = /0\/[0-9A-F]+|\b[0-9A-F]{24}\b/g
      expect({ ...ours, text: ours.text.replace(position, 'X') }).toEqual({
        ...original,
        text: original.text.replace(position, 'X'),
      })
      expect(ours.status).toBe(1)
    })
  },
)
