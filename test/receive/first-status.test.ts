/** What a server hears before it has sent anything: a slot goes where it is told. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { NO_COMPRESSION } from '../../src/codec/index.js'
import { type ArchiveDoor, Receiver } from '../../src/receive/index.js'
import { type Lsn, parseLsn } from '../../src/wal/index.js'
import * as backend from '../support/backend-frames.js'
import { ScriptedWalsender } from '../support/scripted-walsender.js'
import { longPageHeader } from '../wal/page-header-bytes.js'

const SEGMENT_SIZE = 16 * 1024 * 1024
const START = parseLsn('0/5000000')
const SYSTEM_ID = '7301234567890123456'

let walsender: ScriptedWalsender
let directory: string

beforeEach(async () => {
  walsender = await ScriptedWalsender.start()
  onTestFinished(() => walsender[Symbol.asyncDispose]())
  directory = await mkdtemp(join(tmpdir(), 'walship-first-status-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const system = ['systemid', 'timeline', 'xlogpos', 'dbname']
  walsender.answer('IDENTIFY_SYSTEM', backend.result(system, [[SYSTEM_ID, '1', '0/9000000', null]]))
  walsender.answer('SHOW data_directory_mode', backend.result(['data_directory_mode'], [['0700']]))
  walsender.answer('SHOW wal_segment_size', backend.result(['wal_segment_size'], [['16MB']]))
  walsender.answer('START_REPLICATION', backend.copyBoth())
})

/** Receives until the first page was confirmed. @returns what the server was told until then, as write positions */
async function toldUntilFirstPage(archiveEnd: Lsn | 'no archive'): Promise<bigint[]> {
  const archive: ArchiveDoor = {
    findEnd: async () => (archiveEnd === 'no archive' ? null : { timeline: 1, lsn: archiveEnd }),
    identify: async () => {},
    recordGap: null,
    flush: async () => {},
  }
  const receiver = new Receiver({
    connection: walsender.options,
    directory,
    slotName: 'made_anew',
    synchronous: true,
    durable: true,
    statusIntervalMs: 60_000,
    compression: NO_COMPRESSION,
    archive: archiveEnd === 'no archive' ? undefined : archive,
    retry: null,
    newestServerMajor: 18,
    onEvent: () => {},
  })
  const stop = new AbortController()
  const running = receiver.run(stop.signal)
  await walsender.until(() => walsender.queries.some((query) => query.startsWith('START_REPLICATION')))
  const page = Buffer.alloc(8192)
  longPageHeader({ pageAddress: START, systemIdentifier: BigInt(SYSTEM_ID), segmentSize: SEGMENT_SIZE }).copy(
    page,
  )
  walsender.send(backend.xlogData(START, page))
  const end = START + BigInt(page.length)
  await walsender.until(() => walsender.statuses.some(({ write }) => write === end))
  const told = walsender.statuses.map(({ write }) => write)
  stop.abort()
  walsender.send(backend.copyDone(), backend.commandComplete('START_REPLICATION'), backend.ready())
  await running
  return told.slice(0, told.indexOf(end))
}

it('tells nothing behind an archive: a slot that was made anew would go back where WAL is gone', async () => {
  // 0/0 tells nothing, and moves no slot.
  expect((await toldUntilFirstPage(START)).filter((position) => position !== 0n)).toEqual([])
  expect(walsender.queries.at(-1)).toContain('0/5000000')
})

it.each([
  ['tells at once what the directory holds', 'no archive', [START]],
  ['tells nothing of it either where there is an archive', START, [0n]],
] as const)('%s', async (_, archiveEnd, told) => {
  const name = '000000010000000000000004'
  const segment = Buffer.alloc(SEGMENT_SIZE)
  const pageAddress = START - BigInt(SEGMENT_SIZE)
  longPageHeader({ pageAddress, systemIdentifier: BigInt(SYSTEM_ID), segmentSize: SEGMENT_SIZE }).copy(
    segment,
  )
  await writeFile(join(directory, name), segment)
  expect(await toldUntilFirstPage(archiveEnd)).toEqual(told)
})
