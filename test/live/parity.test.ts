/** walship beside the original on the same server: same files, same bytes, same words, same exit codes. */
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { formatLsn, type Lsn, lsnAdd } from '../../src/wal/index.js'
import { PEER_MAJOR, peerIsInstalled, startPeer } from './peer.js'
import { namesIn, readReceived } from './received-wal.js'
import { type ReceiverExit, ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'
import { createSlot, launchTestServer, SEGMENT_SIZE, switchSegment, writeWal } from './test-server.js'

describe.skipIf(!peerIsInstalled)(`parity with pg_receivewal ${PEER_MAJOR}`, () => {
  let server: PostgresServer

  beforeAll(async () => {
    server = await launchTestServer({ major: PEER_MAJOR, segmentSizeMb: SEGMENT_SIZE / 1024 / 1024 })
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  interface Outcome {
    readonly files: Record<string, { mode: number; bytes: Buffer }>
    readonly exit: ReceiverExit
  }

  async function outcomeOf(directory: string, receiver: ReceiverProcess): Promise<Outcome> {
    const exit = await receiver.exit
    const files: Outcome['files'] = {}
    for (const name of await namesIn(directory)) {
      const path = join(directory, name)
      files[name] = { mode: (await stat(path)).mode, bytes: await readReceived(path) }
    }
    return { files, exit }
  }

  /** Both receivers at once, each with its own slot at the same position, while the server writes. */
  async function receiveBoth(end: Lsn, args: readonly string[]): Promise<[Outcome, Outcome]> {
    const outcomes: Promise<Outcome>[] = []
    for (const [slot, start] of [
      ['ours', ReceiverProcess.dropIn],
      ['peer', startPeer],
    ] as const) {
      const directory = await testDirectory()
      const common = ['-D', directory, '-S', slot, '-n', '-v', '-E', formatLsn(end), '-d', server.dsn]
      const receiver = start([...common, ...args])
      onTestFinished(() => receiver[Symbol.asyncDispose]())
      outcomes.push(outcomeOf(directory, receiver))
    }
    await writeWal(server, 5 * SEGMENT_SIZE)
    const [ours, peer] = await Promise.all(outcomes)
    return [ours!, peer!]
  }

  describe.each([
    [[]],
    [['--synchronous']],
    [['--no-sync']],
    [['-Z', 'gzip']],
    [['-Z', '9']],
    [['-Z', 'lz4']],
  ])('options %s', (args) => {
    it('the same files, bytes and log lines up to a segment boundary', async () => {
      await createSlot(server, 'ours')
      await createSlot(server, 'peer')
      const boundary = lsnAdd(await switchSegment(server), 2 * SEGMENT_SIZE)
      const [ours, peer] = await receiveBoth(lsnAdd(boundary, -1), args)
      expect(Object.keys(ours.files)).toEqual(Object.keys(peer.files))
      for (const [name, { mode, bytes }] of Object.entries(peer.files)) {
        expect([name, ours.files[name]?.mode]).toEqual([name, mode])
        expect([name, ours.files[name]?.bytes.equals(bytes)]).toEqual([name, true])
      }
      expect(linesAfterStart(ours.exit)).toEqual(linesAfterStart(peer.exit))
      expect(ours.exit.status).toBe(peer.exit.status)
    })
  })

  it('the same open partial, up to where both have come', async () => {
    await createSlot(server, 'ours')
    await createSlot(server, 'peer')
    const end = lsnAdd(await switchSegment(server), 1.5 * SEGMENT_SIZE)
    const [ours, peer] = await receiveBoth(end, [])
    expect(Object.keys(ours.files)).toEqual(Object.keys(peer.files))
    const [name] = Object.keys(peer.files).filter((each) => each.endsWith('.partial'))
    const upTo = Number(end % BigInt(SEGMENT_SIZE))
    const [a, b] = [ours, peer].map(({ files }) => files[name!]!.bytes)
    expect([a!.length, b!.length]).toEqual([SEGMENT_SIZE, SEGMENT_SIZE])
    expect(a!.subarray(0, upTo).equals(b!.subarray(0, upTo))).toBe(true)
    expect([ours.exit.status, peer.exit.status]).toEqual([0, 0])
  })

  /** The first slot may have been made one checkpoint earlier, so the start is each one's own. */
  function linesAfterStart({ stderr }: ReceiverExit): string[] {
    return stderr.split('\n').filter((line) => !/starting log streaming|finished segment/.test(line))
  }

  describe('words and exit codes', () => {
    beforeAll(async () => {
      await server.query(`SELECT pg_create_physical_replication_slot('held', true)`)
      await server
        .query(`SELECT pg_create_logical_replication_slot('logical', 'pgoutput')`)
        .catch(() => undefined)
      await server.query(`CREATE ROLE plain LOGIN`)
    })

    async function bothSay(args: (directory: string) => readonly string[]): Promise<ReceiverExit[]> {
      const exits: ReceiverExit[] = []
      for (const start of [ReceiverProcess.dropIn, startPeer]) {
        const directory = await testDirectory()
        await using receiver = start(args(directory))
        const { status, stdout, stderr } = await receiver.exit
        exits.push({ status, stdout, stderr: stderr.replaceAll(directory, 'DIR') })
      }
      return exits
    }

    /** Hints are more numerous than the original's (docs/differences.md); the original's must all be there. */
    function withoutExtraHints(ours: ReceiverExit, peer: ReceiverExit): ReceiverExit {
      const known = peer.stderr.split('\n')
      const lines = ours.stderr
        .split('\n')
        .filter((line) => !line.includes(': hint: ') || known.includes(line))
      return { ...ours, stderr: lines.join('\n') }
    }

    it.each<[string, (directory: string, dsn: string) => string[]]>([
      ['missing slot', (d, dsn) => ['-D', d, '-n', '-S', 'nope', '-d', dsn]],
      ['missing slot to drop', (_, dsn) => ['--drop-slot', '-S', 'nope', '-d', dsn]],
      ['slot that exists', (_, dsn) => ['--create-slot', '-S', 'held', '-d', dsn]],
      [
        'slot that exists, accepted',
        (_, dsn) => ['--create-slot', '--if-not-exists', '-S', 'held', '-d', dsn],
      ],
      ['slot name with a bad character', (_, dsn) => ['--create-slot', '-S', 'Bad-Name', '-d', dsn]],
      ['create, talkative', (_, dsn) => ['-v', '--create-slot', '--if-not-exists', '-S', 'held', '-d', dsn]],
      ['directory that is not there', (d, dsn) => ['-D', `${d}/nope`, '-n', '-d', dsn]],
      ['directory that is a file', (_, dsn) => ['-D', '/etc/passwd', '-n', '-d', dsn]],
      ['refused connection', (d) => ['-D', d, '-n', '-h', '127.0.0.1', '-p', '1', '-U', 'postgres']],
      ['missing socket', (d) => ['-D', d, '-n', '-h', d, '-U', 'postgres']],
      ['unknown user', (d, dsn) => ['-D', d, '-n', '-d', dsn, '-U', 'nobody_here']],
      ['user without the replication right', (d, dsn) => ['-D', d, '-n', '-d', dsn, '-U', 'plain']],
      ['end position before the start', (d, dsn) => ['-D', d, '-n', '-v', '-E', '0/1', '-d', dsn]],
      ['bad connection string', (d) => ['-D', d, '-n', '-d', 'nonsense=1']],
      ['bad option value', (d, dsn) => ['-D', d, '-s', 'x', '-d', dsn]],
      ['bad compression', (d, dsn) => ['-D', d, '-Z', 'zippy', '-d', dsn]],
      ['no directory', (_, dsn) => ['-d', dsn]],
      ['argument too many', (d) => ['-D', d, 'more']],
    ])('%s', async (_name, args) => {
      const [ours, peer] = await bothSay((directory) => args(directory, server.dsn))
      expect(withoutExtraHints(ours!, peer!)).toEqual(peer)
    })

    it('a slot that another receiver holds', async () => {
      const args = (directory: string) => ['-D', directory, '-S', 'held', '-n', '-d', server.dsn]
      await using holder = startPeer([...args(await testDirectory()), '-v'])
      await holder.said(/starting log streaming/)
      const [ours, peer] = await bothSay(args)
      expect(withoutExtraHints(ours!, peer!)).toEqual(peer)
      expect(ours!.stderr).toContain('replication slot "held" is active for PID')
    })

    it('segments of a wrong size are named and left alone', async () => {
      const args = (directory: string) => ['-D', directory, '-n', '-E', '0/1', '-d', server.dsn]
      const exits: ReceiverExit[] = []
      for (const start of [ReceiverProcess.dropIn, startPeer]) {
        const directory = await testDirectory()
        await writeFile(join(directory, '000000010000000000000003'), Buffer.alloc(1000))
        await mkdir(join(directory, '000000010000000000000004'))
        await using receiver = start(args(directory))
        const { status, stdout, stderr } = await receiver.exit
        exits.push({ status, stdout, stderr: stderr.split('\n').sort().join('\n') })
        expect(await namesIn(directory)).toEqual(['000000010000000000000003', '000000010000000000000004'])
      }
      expect(exits[0]).toEqual(exits[1])
    })
  })
})
