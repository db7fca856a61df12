/** What walship locate prints, put into a real server's configuration: the recovered server has the expected rows. */
import { chmod, cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { type Located, type LocateQuery, listWal, locate } from '../../src/inspect/index.js'
import { openSource } from '../../src/verify/index.js'
import { formatLsn, type Lsn, parseLsn, parsePgTime, segmentStart } from '../../src/wal/index.js'
import { launchTestServer, switchSegment } from '../live/test-server.js'
import { LiveArchive, MAJOR, programCanRun, SEGMENT_SIZE } from '../restore/live-archive.js'
import { putIndexes } from './stored-indexes.js'

const { signal } = new AbortController()

/** One committed row. */
interface Row {
  readonly xid: number
  /** The server's clock right behind it. */
  readonly after: bigint
  /** Rows that are there with it. */
  readonly count: number
}

let primary: PostgresServer
let archive: LiveArchive
/** The primary as it was before all this. */
let copy: string
const rows: Row[] = []
let table: { oid: number; firstFile: number; lastFile: number }
let countAtDrop = 0
let countAtTruncate = 0
let truncated = 0
let countAtPoint = 0
const rowsOnSecond: Row[] = []
let endOnSecond: Lsn

async function commitRow(server: PostgresServer, into: Row[] = rows): Promise<void> {
  const client = await server.connect()
  try {
    await client.query('BEGIN')
    // Enough that every other row is in another segment.
    await client.query(
      `INSERT INTO t SELECT $1, string_agg(md5(random()::text), '') FROM generate_series(1, 12000)`,
      [rows.length + into.length],
    )
    const { rows: found } = await client.query('SELECT txid_current()::text AS xid')
    await client.query('COMMIT')
    const [counted] = (
      await client.query(`SELECT count(*)::int AS count, clock_timestamp()::text AS now FROM t`)
    ).rows
    into.push({ xid: Number(found[0].xid), count: counted.count, after: parsePgTime(counted.now)! })
  } finally {
    await client.end()
  }
}

async function commitRows(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await commitRow(primary)
}

const numberOf = (sql: string) => primary.value(sql).then(Number)
const fileOf = (name: string) => numberOf(`SELECT pg_relation_filenode('${name}')`)

beforeAll(async () => {
  if (!programCanRun) return
  primary = await launchTestServer({ settings: { timezone: 'UTC', autovacuum: false } })
  await primary.query('CREATE TABLE t (n int, filler text)')
  await primary.query('ALTER TABLE t ALTER filler SET STORAGE EXTERNAL')
  await primary.stop()
  const folder = await mkdtemp(join(tmpdir(), 'walship-copy-'))
  await chmod(folder, 0o755)
  copy = join(folder, 'data')
  await primary.coldCopy(copy)
  await primary.start()
  archive = await LiveArchive.forServer(primary)

  await commitRows(8)
  await primary.query(`SELECT pg_create_restore_point('before the upgrade')`)
  countAtPoint = rows.length
  await commitRows(4)
  await primary.query('CREATE TABLE precious AS SELECT generate_series(1, 500) AS id')
  const firstFile = await fileOf('precious')
  await primary.query('VACUUM FULL precious')
  table = {
    oid: await numberOf(`SELECT 'precious'::regclass::oid`),
    firstFile,
    lastFile: await fileOf('precious'),
  }
  await primary.query('CREATE TABLE emptied AS SELECT generate_series(1, 300) AS id')
  await commitRows(3)
  countAtDrop = rows.length
  await primary.query('DROP TABLE precious')
  await commitRows(3)
  truncated = await numberOf(`SELECT 'emptied'::regclass::oid`)
  countAtTruncate = rows.length
  await primary.query('TRUNCATE emptied')
  await commitRows(2)
  await switchSegment(primary)
  await commitRows(1)

  const standby = await primary.createStandby()
  const end = await archive.ship(primary)
  await waitFor('the standby to catch up', async () => {
    return parseLsn(await standby.value('SELECT pg_last_wal_replay_lsn()')) >= end
  })
  await standby.promote()
  for (let i = 0; i < 3; i++) await commitRow(standby, rowsOnSecond)
  await standby.query('CHECKPOINT')
  endOnSecond = await archive.ship(standby)
  await standby[Symbol.asyncDispose]()
  await putIndexes(archive.archive, SEGMENT_SIZE)
}, 300_000)

afterAll(async () => {
  await primary?.[Symbol.asyncDispose]()
  await archive?.remove()
  if (copy !== undefined) await rm(join(copy, '..'), { recursive: true, force: true })
})

async function find(query: LocateQuery, timeline?: number): Promise<Located> {
  await using source = await openSource({ kind: 'archive', url: archive.url, values: {}, environment: {} })
  return await locate(source, query, { timeline, signal })
}

/** A server that was recovered with a target that was printed, and is open for writing. */
async function recovered(located: Located, number = 0): Promise<PostgresServer> {
  const target = located.targets[number]!
  const folder = await mkdtemp(join(tmpdir(), 'walship-recovered-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o755)
  const dataDirectory = join(folder, 'data')
  await cp(copy, dataDirectory, { recursive: true, preserveTimestamps: true })
  await chmod(dataDirectory, 0o700)
  const server = await PostgresServer.create({ major: MAJOR, dataDirectory })
  onTestFinished(() => server[Symbol.asyncDispose]())
  const settings = {
    restore_command: archive.command('--retry-for', '0', '--prefetch', '0'),
    recovery_target_lsn: formatLsn(target.lsn),
    recovery_target_inclusive: target.inclusive,
    recovery_target_timeline: String(target.timeline),
    recovery_target_action: 'promote',
  }
  await server.recover(settings, 'promotion')
  await server.start()
  await waitFor(
    'the end of recovery',
    async () => (await server.value('SELECT pg_is_in_recovery()')) === 'false',
  )
  return server
}

async function countOf(server: PostgresServer, name = 't'): Promise<number> {
  return Number(await server.value(`SELECT count(*) FROM ${name}`))
}

describe.skipIf(!programCanRun)(`a PostgreSQL ${MAJOR} server recovered to what was located`, () => {
  it.each([3, 11])('has the rows up to a time, row %d the last', async (number) => {
    const located = await find({ kind: 'time', time: rows[number]!.after })
    expect(located.targets[0]).toMatchObject({ inclusive: false, timeline: 1 })
    expect(located.lastKept!.xid).toBe(rows[number]!.xid)
    expect(located.firstLost!.xid).toBeGreaterThan(rows[number]!.xid)
    expect(await countOf(await recovered(located))).toBe(rows[number]!.count)
  })

  it('has the rows before a transaction, or with it', async () => {
    const { xid, count } = rows[6]!
    const located = await find({ kind: 'xid', xid })
    expect(located.transactions).toMatchObject([{ xid, kind: 'commit' }])
    // Its table is there to be seen, with every row and every piece of it.
    const file = located.transactions[0]!.relations.find(({ operations }) => 'Heap INSERT' in operations)
    expect(file?.file).toMatch(/^1663\/\d+\/\d+$/)
    expect(await countOf(await recovered(located, 0))).toBe(count - 1)
    expect(await countOf(await recovered(located, 1))).toBe(count)
  })

  it('has the rows of a restore point', async () => {
    const located = await find({ kind: 'restore-point', name: 'before the upgrade' })
    expect(await countOf(await recovered(located))).toBe(countAtPoint)
    await expect(find({ kind: 'restore-point', name: 'never made' })).rejects.toMatchObject({
      code: 'LOCATE_NOT_FOUND',
    })
  })

  it.each(['oid', 'lastFile'] as const)('has a table that was dropped, looked for by its %s', async (by) => {
    const located = await find({ kind: 'drop', number: table[by] })
    if (MAJOR >= 15) expect(located.transactions.at(-1)!.droppedRelations).toContain(table.oid)
    expect(located.transactions.at(-1)!.droppedFiles).toContainEqual(
      expect.stringMatching(new RegExp(`/${table.lastFile}$`)),
    )
    const server = await recovered(located)
    expect(await countOf(server, 'precious')).toBe(500)
    expect(await countOf(server)).toBe(countAtDrop)
  })

  it('has a table as it was before TRUNCATE', async () => {
    const server = await recovered(await find({ kind: 'drop', number: truncated }))
    expect(await countOf(server, 'emptied')).toBe(300)
    expect(await countOf(server)).toBe(countAtTruncate)
  })

  it('stops before the record at a position, or behind it', async () => {
    const { transactions } = await find({ kind: 'xid', xid: rows[9]!.xid })
    const located = await find({ kind: 'lsn', lsn: transactions[0]!.lsn })
    expect(located.record).toMatchObject({ manager: 'Transaction', lsn: transactions[0]!.lsn })
    expect(await countOf(await recovered(located, 0))).toBe(rows[9]!.count - 1)
    expect(await countOf(await recovered(located, 1))).toBe(rows[9]!.count)
  })

  it('follows to the second timeline, and stays on the first where that is asked for', async () => {
    const later = await find({ kind: 'xid', xid: rowsOnSecond[1]!.xid })
    expect(later.targets[1]!.timeline).toBe(2)
    expect(await countOf(await recovered(later, 1))).toBe(rowsOnSecond[1]!.count)
    const last = rows.at(-1)!
    const earlier = await find({ kind: 'xid', xid: last.xid }, 1)
    expect(earlier.targets[1]!.timeline).toBe(1)
    expect(await countOf(await recovered(earlier, 1))).toBe(last.count)
  })
})

describe.skipIf(!programCanRun)('what is looked for', () => {
  it('reads few segments where there are indexes', async () => {
    const located = await find({ kind: 'time', time: rows[3]!.after })
    expect(located.effort.indexes).toBeGreaterThan(3)
    await using source = await openSource({ kind: 'archive', url: archive.url, values: {}, environment: {} })
    const { files } = await source.inventory(signal)
    expect(located.effort.segments).toBeLessThan(files.length / 3)
  })

  it('lists what ended around a time, with what it did to which file', async () => {
    const { after, xid } = rows[5]!
    const { transactions, targets } = await find({ kind: 'around', time: after, windowMicros: 400_000n })
    expect(targets).toEqual([])
    expect(transactions.map((each) => each.xid)).toContain(xid)
    for (const { time } of transactions) expect(time - after).toBeLessThanOrEqual(400_000n)
  })

  it('says what is not there', async () => {
    for (const query of [
      { kind: 'xid', xid: 4_000_000_000 },
      { kind: 'drop', number: 4_000_000_000 },
      { kind: 'lsn', lsn: parseLsn('FF/0') },
      { kind: 'time', time: rows[0]!.after + 10n ** 15n },
    ] as const)
      await expect(find(query)).rejects.toMatchObject({ code: 'LOCATE_NOT_FOUND' })
    await expect(find({ kind: 'xid', xid: 3 }, 9)).rejects.toMatchObject({ code: 'LOCATE_TIMELINE' })
  })

  it('list shows both timelines, their times, and what a recovery can reach', async () => {
    await using source = await openSource({ kind: 'archive', url: archive.url, values: {}, environment: {} })
    const list = await listWal(source, { segments: true, signal })
    expect(list.timelines.map(({ timeline, parent }) => [timeline, parent?.timeline])).toEqual([
      [1, undefined],
      [2, 1],
    ])
    const [first, second] = list.timelines
    expect(first!.gaps).toEqual([])
    expect(first!.ranges[0]!.lastCommitTime).toBeLessThanOrEqual(rows.at(-1)!.after)
    expect(list.windows).toHaveLength(1)
    expect(list.windows[0]).toMatchObject({ timeline: 2, from: first!.ranges[0]!.from })
    expect(list.windows[0]!.to).toBe(endOnSecond)
    expect(list.windows[0]!.lastCommitTime).toBe(second!.ranges[0]!.lastCommitTime)
    expect(list.segments!.every(({ index }) => index !== null)).toBe(true)
    const start: Lsn = segmentStart(list.segments![0]!.file.segment, SEGMENT_SIZE)
    expect(list.windows[0]!.from).toBe(start)
  })
})
