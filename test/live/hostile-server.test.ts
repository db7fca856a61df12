/** A server that lies to the real programs: how they end, what they say, and what is left on the disk. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { waitFor } from '../../scripts/wait-for.js'
import * as backend from '../support/backend-frames.js'
import { ScriptedWalsender } from '../support/scripted-walsender.js'
import { longPageHeader } from '../wal/page-header-bytes.js'
import { ReceiverProcess } from './receiver-process.js'
import { testDirectory } from './test-directory.js'

const SEGMENT_SIZE = 1024 * 1024
const START = 0x300_0000n
const SYSTEM = 7_300_000_000_000_000_001n

/** A walsender that tells of a cluster on this timeline, and streams when it is asked. */
async function hostile(timeline = 1): Promise<ScriptedWalsender> {
  const walsender = await ScriptedWalsender.start()
  onTestFinished(() => walsender[Symbol.asyncDispose]())
  walsender.answer('SHOW data_directory_mode', backend.result(['x'], [['0700']]))
  walsender.answer('SHOW wal_segment_size', backend.result(['x'], [['1MB']]))
  walsender.answer('IDENTIFY_SYSTEM', identity(String(SYSTEM), String(timeline)))
  walsender.answer('START_REPLICATION', backend.copyBoth())
  return walsender
}

function identity(systemId: string, timeline: string): Buffer {
  return backend.result(
    ['systemid', 'timeline', 'xlogpos', 'dbname'],
    [[systemId, timeline, '0/3000000', null]],
  )
}

const wal = () =>
  Buffer.concat(
    [
      longPageHeader({
        pageAddress: START,
        systemIdentifier: SYSTEM,
        segmentSize: SEGMENT_SIZE,
        timeline: 1,
      }),
    ],
    8192,
  )

const PROGRAMS = [
  ['pg_receivewal', (args: string[]) => ReceiverProcess.dropIn(args)],
  ['walship receive', (args: string[]) => ReceiverProcess.walship(['--verify', 'off', ...args])],
] as const

describe.each(PROGRAMS)('%s', (_, start) => {
  async function run(walsender: ScriptedWalsender, ...more: string[]) {
    const directory = await testDirectory()
    const { port } = walsender.options
    const receiver = start([
      '-D',
      directory,
      '-n',
      '-w',
      '-d',
      `host=127.0.0.1 port=${port} user=x sslmode=disable`,
      ...more,
    ])
    onTestFinished(() => receiver[Symbol.asyncDispose]())
    return { directory, receiver }
  }

  async function ends(receiver: ReceiverProcess, reason: RegExp): Promise<void> {
    const { status, stderr } = await receiver.exit
    expect(stderr).toMatch(reason)
    expect(stderr).not.toMatch(/TypeError|RangeError|SyntaxError|\n {4}at /)
    expect(status).toBe(1)
  }

  it.each([
    ['leads out of the directory', '../../outside.history'],
    ['is that of another timeline', '00000003.history'],
    ['is absolute', '/tmp/outside.history'],
    ['holds a NUL', '00000002.history\\0x'],
  ])('writes no history file whose name %s', async (_what, name) => {
    const walsender = await hostile(2)
    walsender.answer('TIMELINE_HISTORY', backend.result(['filename', 'content'], [[name, 'owned']]))
    const { directory, receiver } = await run(walsender)
    await ends(receiver, /unexpected history file name for timeline 2/)
    // Its own lock, of the one program that takes one.
    expect((await readdir(directory)).filter((found) => found !== '.walship.lock')).toEqual([])
    expect(existsSync(join(directory, '../../outside.history'))).toBe(false)
    expect(existsSync('/tmp/outside.history')).toBe(false)
  })

  it.each([
    ['an identity that is none', 'IDENTIFY_SYSTEM', identity('../x', '1'), /invalid system identifier/],
    ['timeline 0', 'IDENTIFY_SYSTEM', identity(String(SYSTEM), '0'), /invalid timeline/],
    [
      'segments of 3 MB',
      'SHOW wal_segment_size',
      backend.result(['x'], [['3MB']]),
      /invalid WAL segment size/,
    ],
    [
      'segments of 9999999999 GB',
      'SHOW wal_segment_size',
      backend.result(['x'], [['9999999999GB']]),
      /invalid WAL segment size/,
    ],
    [
      'rows that do not fit',
      'IDENTIFY_SYSTEM',
      Buffer.concat([backend.rowDescription(['a']), backend.dataRow(['1', '2']), backend.ready()]),
      /a row of 2 values for 1 columns/,
    ],
    ['an error without end', 'IDENTIFY_SYSTEM', backend.frame('E', Buffer.from('Mx')), /it has no end/],
    ['a message of 4 GB', 'IDENTIFY_SYSTEM', Buffer.from([0x44, 0xff, 0xff, 0xff, 0xff]), /too long/],
    ['no protocol', 'IDENTIFY_SYSTEM', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), /too long/],
  ] as const)('ends with 1 for %s', async (_what, command, answer, reason) => {
    const walsender = await hostile()
    walsender.answer(command, answer)
    const { receiver } = await run(walsender)
    await ends(receiver, reason)
  })

  it.each([
    ['a gap', backend.xlogData(START + 16_384n, wal()), /received WAL at 0\/3004000, expected 0\/3002000/],
    ['an overlap', backend.xlogData(START, wal()), /received WAL at 0\/3000000, expected 0\/3002000/],
    [
      'a length below the header',
      Buffer.from([0x64, 0, 0, 0, 9, 0x77, 1, 2, 3, 4]),
      /streaming header too small/,
    ],
    ['a message of 2 GB', Buffer.from([0x64, 0x7f, 0xff, 0xff, 0xff, 0x77]), /too long/],
  ] as const)('keeps what came before %s, and nothing else', async (_what, frame, reason) => {
    const walsender = await hostile()
    walsender.answer(
      'START_REPLICATION',
      Buffer.concat([backend.copyBoth(), backend.xlogData(START, wal()), frame]),
    )
    const { directory, receiver } = await run(walsender)
    await ends(receiver, reason)
    const partial = (await readdir(directory)).find((name) => name.endsWith('.partial'))
    if (partial === undefined) return
    const content = await readFile(join(directory, partial))
    expect(
      content.subarray(0, 8192).equals(wal()) || content.subarray(0, 8192).every((byte) => byte === 0),
    ).toBe(true)
    expect(content.subarray(8192).every((byte) => byte === 0)).toBe(true)
  })
})

it('a system identifier that changes between two connections ends walship, and no file is touched', async () => {
  const walsender = await hostile()
  const directory = await testDirectory()
  const { port } = walsender.options
  const dsn = `host=127.0.0.1 port=${port} user=x sslmode=disable`
  await using receiver = ReceiverProcess.walship([
    '-D',
    directory,
    '-w',
    '--verify',
    'off',
    '-d',
    dsn,
    '--synchronous',
    '-s',
    '1',
  ])
  await walsender.until(() => walsender.queries.some((query) => query.startsWith('START_REPLICATION')))
  walsender.send(backend.xlogData(START, wal()))
  await waitFor('the WAL to be flushed', () =>
    walsender.statuses.some(({ flush }) => flush === START + 8192n),
  )
  walsender.answer('IDENTIFY_SYSTEM', identity('7300000000000000002', '1'))
  walsender.cut()
  const { status, stderr } = await receiver.exit
  expect(stderr).toContain(
    'system identifier of the server changed from 7300000000000000001 to 7300000000000000002',
  )
  expect(status).toBe(1)
  const [partial] = (await readdir(directory)).filter((name) => name.endsWith('.partial'))
  expect((await readFile(join(directory, partial!))).subarray(0, 8192).equals(wal())).toBe(true)
})
