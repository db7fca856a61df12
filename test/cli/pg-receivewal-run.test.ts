import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { WalshipError } from '../../src/base/index.js'
import { runPgReceivewal } from '../../src/cli/pg-receivewal.js'
import { NEWEST_SERVER_MAJOR } from '../../src/cli/version.js'
import { ConnectionFailedError } from '../../src/pg/index.js'
import type { ReceiverOptions } from '../../src/receive/index.js'
import { parseLsn } from '../../src/wal/index.js'
import { FakeHost } from './fake-host.js'

/** The receiver's place is taken by a script: what it was given, what it does. */
const fake = vi.hoisted(() => ({
  options: undefined as unknown,
  run: undefined as unknown as (options: ReceiverOptions, signal: AbortSignal) => Promise<unknown>,
  slotCalls: [] as unknown[][],
  slotError: undefined as Error | undefined,
}))

vi.mock('../../src/receive/index.js', () => {
  const slotAction =
    (name: string) =>
    async (_connection: unknown, ...args: unknown[]) => {
      fake.slotCalls.push([name, ...args])
      if (fake.slotError !== undefined) throw fake.slotError
    }
  return {
    createSlot: slotAction('create'),
    dropSlot: slotAction('drop'),
    Receiver: class {
      constructor(options: ReceiverOptions) {
        fake.options = options
      }
      run(signal: AbortSignal) {
        return fake.run(fake.options as ReceiverOptions, signal)
      }
    },
  }
})

const directory = mkdtempSync(join(tmpdir(), 'walship-cli-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
beforeEach(() => {
  fake.run = async () => ({ reason: 'endpos' })
})
afterEach(() => {
  fake.slotCalls.length = 0
  fake.slotError = undefined
})

const START = {
  kind: 'streaming-started',
  origin: 'directory',
  lsn: parseLsn('0/1000000'),
  timeline: 1,
} as const

async function run(args: string[], host = new FakeHost(['-D', directory, ...args])) {
  const status = await runPgReceivewal(host)
  return { status, err: host.err, out: host.out, host }
}

describe('pg_receivewal receiving', () => {
  it('hands over what the command line says', async () => {
    const args = '-n --no-sync -s 7 -S slot1 -E 1/A5 -Z gzip:3 -h db -p 5433 -U ada -d sslmode=require -w'
    expect((await run(args.split(' '))).status).toBe(0)
    expect(fake.options).toMatchObject({
      directory,
      slotName: 'slot1',
      synchronous: false,
      durable: false,
      statusIntervalMs: 7000,
      endLsn: 0x1_0000_00a5n,
      compression: { algorithm: 'gzip', level: 3 },
      retry: null,
      newestServerMajor: NEWEST_SERVER_MAJOR,
      connection: {
        dsn: 'sslmode=require',
        host: 'db',
        port: '5433',
        user: 'ada',
        password: undefined,
        fallbackApplicationName: 'pg_receivewal',
      },
    })
  })

  it('has the original defaults', async () => {
    await run([])
    expect(fake.options).toMatchObject({
      slotName: undefined,
      synchronous: false,
      durable: true,
      statusIntervalMs: 10_000,
      endLsn: undefined,
      compression: { algorithm: 'none' },
      retry: { initial: false, everything: true },
      connection: { password: expect.any(Function) },
    })
    const { retry } = fake.options as ReceiverOptions
    const error = new WalshipError('x', { code: 'X' })
    expect([1, 2, 50].map((attempt) => retry?.delayMs(attempt, error))).toEqual([5000, 5000, 5000])
  })

  it('takes no database from PGDATABASE, and all else from the environment', async () => {
    const environment = { PGDATABASE: 'shop', PGHOST: 'db1' }
    await run([], new FakeHost(['-D', directory], { environment }))
    const { connection } = fake.options as ReceiverOptions
    expect(connection.environment?.PGDATABASE).toBeUndefined()
    expect(connection.environment?.PGHOST).toBe('db1')
  })

  it('takes the later of -w and -W', async () => {
    await run(['-W', '-w'])
    expect((fake.options as ReceiverOptions).connection.password).toBeUndefined()
  })

  it('prints notices and warnings of the connection as libpq does', async () => {
    fake.run = async ({ connection }) => {
      connection.onNotice?.({
        severity: 'NOTICE',
        sqlState: '42622',
        message: 'identifier will be truncated',
      })
      connection.onWarning?.('password file "x" has group or world access')
    }
    expect((await run([])).err).toBe(
      'NOTICE:  identifier will be truncated\nWARNING: password file "x" has group or world access\n',
    )
  })

  it.each<[string, string[], boolean, WalshipError, string[]]>([
    [
      'a connection that cannot be made',
      ['-n'],
      false,
      new ConnectionFailedError('connection to server failed'),
      ['error: connection to server failed'],
    ],
    [
      'a stream that broke',
      ['-n'],
      true,
      new WalshipError('could not receive data from WAL stream: x', { code: 'PG_CONNECTION_LOST' }),
      ['error: could not receive data from WAL stream: x', 'error: disconnected'],
    ],
    [
      'a slot that is missing',
      ['-n'],
      false,
      new WalshipError('replication slot "s" does not exist', { code: 'RECEIVE_SLOT_MISSING' }),
      ['error: replication slot "s" does not exist', 'error: disconnected'],
    ],
    [
      'a disk that cannot sync',
      ['-n'],
      true,
      new WalshipError('could not fsync file "x": Input/output error', { code: 'WAL_FILE_SYNC_FAILED' }),
      ['error: could not fsync file "x": Input/output error'],
    ],
    [
      'giving up in loop mode',
      [],
      true,
      new WalshipError('another cluster', { code: 'RECEIVE_OTHER_CLUSTER', hint: 'look' }),
      ['error: another cluster', 'hint: look'],
    ],
  ])('exits with 1 after %s', async (_case, args, streamed, error, texts) => {
    fake.run = async ({ onEvent }) => {
      if (streamed) onEvent(START)
      throw error
    }
    const { status, err } = await run(args)
    expect(status).toBe(1)
    expect(err).toBe(texts.map((text) => `pg_receivewal: ${text}\n`).join(''))
  })
})

describe('signals', () => {
  it('have their default effect before the first connection, and stop cleanly from then on', async () => {
    fake.run = async ({ onEvent }, signal) => {
      expect(host.listeners.get('SIGINT')?.size ?? 0).toBe(0)
      onEvent(START)
      host.send('SIGTERM')
      expect(signal.aborted).toBe(true)
      expect(host.exits).toEqual([])
    }
    const host = new FakeHost(['-D', directory, '-n'])
    expect((await run([], host)).status).toBe(0)
    expect([...host.listeners.values()].every((listeners) => listeners.size === 0)).toBe(true)
  })

  it('give up waiting when a second one comes', async () => {
    fake.run = async ({ onEvent }) => {
      onEvent(START)
      host.send('SIGINT')
      host.send('SIGTERM')
      expect(host.exits).toEqual([1])
    }
    const host = new FakeHost(['-D', directory])
    const { err } = await run([], host)
    expect(err).toBe('pg_receivewal: error: interrupted again, exiting without waiting\n')
  })

  it('do not hide a failure of the clean stop', async () => {
    fake.run = async ({ onEvent }) => {
      onEvent(START)
      host.send('SIGINT')
      throw new WalshipError('could not close', { code: 'X' })
    }
    const host = new FakeHost(['-D', directory, '-n'])
    const { status, err } = await run([], host)
    expect(status).toBe(1)
    expect(err).toBe('pg_receivewal: error: could not close\n')
  })
})

describe('slot actions', () => {
  const act = (...args: string[]) => run([], new FakeHost(['-S', 's1', '-D', '/nowhere', ...args]))

  it('create and drop the slot, and do nothing else', async () => {
    expect(await act('--create-slot')).toMatchObject({ status: 0, err: '', out: '' })
    expect(await act('--create-slot', '--if-not-exists')).toMatchObject({ status: 0, err: '' })
    expect(await act('--drop-slot', '--if-not-exists')).toMatchObject({ status: 0, err: '' })
    expect(fake.slotCalls).toEqual([
      ['create', 's1', { ifNotExists: false }],
      ['create', 's1', { ifNotExists: true }],
      ['drop', 's1'],
    ])
  })

  it.each([
    ['--create-slot', 'creating'],
    ['--drop-slot', 'dropping'],
  ])('%s says what it does with --verbose, once connected', async (option, doing) => {
    const line = `pg_receivewal: ${doing} replication slot "s1"\n`
    expect(await act(option, '-v')).toMatchObject({ status: 0, err: line })
    fake.slotError = new WalshipError('no such slot', { code: 'X' })
    expect(await act(option, '-v')).toMatchObject({
      status: 1,
      err: `${line}pg_receivewal: error: no such slot\n`,
    })
    fake.slotError = new ConnectionFailedError('no server')
    expect(await act(option, '-v')).toMatchObject({ status: 1, err: 'pg_receivewal: error: no server\n' })
  })
})
