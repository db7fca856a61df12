/** What walship reads out of records, compared with what pg_waldump and pg_walinspect print of them. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { installedPostgres } from '../../scripts/postgres-binaries.js'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { prepareWorkload, runWorkload, workloadSettings } from '../../scripts/wal-workload.js'
import {
  operationName,
  parseRelationRecord,
  parseServerRecord,
  parseTransaction,
  type RelationFile,
  readRecords,
  type TransactionRecord,
  type WalRecord,
} from '../../src/records/index.js'
import { formatLsn, formatPgTime, type Lsn, parseLsn } from '../../src/wal/index.js'
import { serverWal } from './server-wal.js'
import { MAJOR } from './test-server.js'

const SEGMENT_SIZE = 16 * 1024 * 1024
const WALDUMP_MAJOR = 15

/** One record as PostgreSQL describes it. */
interface Described {
  readonly lsn: string
  readonly manager: string
  readonly type: string
  readonly text: string
}

async function load(server: PostgresServer): Promise<void> {
  await prepareWorkload(server)
  await runWorkload(server, 0, 1)
  const client = await server.connect()
  try {
    for (const sql of [
      'CREATE DATABASE other',
      'DROP DATABASE other',
      'CREATE TABLE pair_a (id int PRIMARY KEY, note text)',
      'CREATE TABLE pair_b (id int PRIMARY KEY, note text)',
      'INSERT INTO pair_a SELECT i FROM generate_series(1, 5000) i',
      'DELETE FROM pair_a WHERE id > 100',
      'VACUUM pair_a',
      'DROP TABLE pair_a, pair_b',
      'VACUUM FULL pg_class',
      'BEGIN',
      'CREATE TABLE prepared (id int)',
      'SAVEPOINT a',
      'INSERT INTO prepared VALUES (1)',
      'SAVEPOINT b',
      'INSERT INTO prepared VALUES (2)',
      `PREPARE TRANSACTION 'with subtransactions'`,
      `COMMIT PREPARED 'with subtransactions'`,
      'DROP TABLE prepared',
      'BEGIN',
      'CREATE TABLE undone (id int)',
      'ROLLBACK',
    ])
      await client.query(sql)
  } finally {
    await client.end()
  }
}

describe('records are understood', () => {
  it.runIf(installedPostgres(WALDUMP_MAJOR) !== null)('as pg_waldump 15 prints them', async () => {
    const binaries = installedPostgres(WALDUMP_MAJOR)!
    await using server = await PostgresServer.launch({
      binaries,
      settings: { ...workloadSettings(WALDUMP_MAJOR), timezone: 'UTC' },
    })
    await load(server)
    await server.stop()
    const files = await serverWal(server.walDirectory, SEGMENT_SIZE, 1)
    const { stdout } = await promisify(execFile)(
      `${binaries.bin}/pg_waldump`,
      ['-p', server.walDirectory, files[0]!.name, files.at(-1)!.name],
      { maxBuffer: 1e9, env: { ...process.env, TZ: 'UTC' } },
    ).catch((error) => error)
    const theirs = [...stdout.matchAll(/^rmgr: (\S+) .* lsn: (\S+), prev \S+, desc: (\S+) ?(.*)$/gm)].map(
      ([, manager, lsn, type, text]): Described => {
        return { manager: manager!, lsn: formatLsn(parseLsn(lsn!)), type: type!, text: text! }
      },
    )
    compare(theirs, [...readRecords(files, { segmentSize: SEGMENT_SIZE, timeline: 1 })])
  })

  it.runIf(MAJOR >= 15)(`as pg_walinspect ${MAJOR} prints them`, async () => {
    await using server = await PostgresServer.launch({
      major: MAJOR,
      settings: { ...workloadSettings(MAJOR), timezone: 'UTC' },
    })
    await server.query('CREATE EXTENSION pg_walinspect')
    const start = parseLsn(await server.value('SELECT pg_current_wal_flush_lsn()'))
    await load(server)
    const end = parseLsn(await server.value('SELECT pg_current_wal_flush_lsn()'))
    const rows = await server.query<Record<string, string>>(
      `SELECT start_lsn::text AS lsn, resource_manager AS manager, record_type AS type, description AS text
       FROM pg_get_wal_records_info($1, $2)`,
      [formatLsn(start), formatLsn(end)],
    )
    await server.stop()
    const files = await serverWal(server.walDirectory, SEGMENT_SIZE, 1)
    const ours = [...readRecords(files, { segmentSize: SEGMENT_SIZE, timeline: 1 })]
    compare(
      rows as unknown as Described[],
      ours.filter(({ lsn, endLsn }) => lsn >= start && endLsn <= end),
    )
  })
})

function compare(theirs: readonly Described[], ours: readonly WalRecord[]): void {
  expect(ours.length).toBeGreaterThan(10_000)
  expect(ours.length).toBe(theirs.length)
  const kinds = new Set<string>()
  const found: string[] = []
  const wanted: string[] = []
  ours.forEach((record, index) => {
    const described = theirs[index]!
    const name = operationName(record)
    if (name !== null) {
      found.push(`${formatLsn(record.lsn)} ${record.resourceManager} ${name}`)
      wanted.push(`${described.lsn} ${described.manager} ${described.type}`)
    }
    const text = ourText(record)
    if (text === null) return
    kinds.add(`${described.manager} ${described.type}`)
    found.push(`${formatLsn(record.lsn)} ${text}`)
    wanted.push(`${described.lsn} ${theirText(described)}`)
  })
  expect(found).toEqual(wanted)
  // Each kind was met, so that the comparison is worth something.
  expect([...kinds].sort()).toEqual(
    expect.arrayContaining([
      'Database DROP',
      'Heap TRUNCATE',
      'LogicalMessage MESSAGE',
      'RelMap UPDATE',
      'Standby RUNNING_XACTS',
      'Storage CREATE',
      'Storage TRUNCATE',
      'Transaction ABORT',
      'Transaction ABORT_PREPARED',
      'Transaction COMMIT',
      'Transaction COMMIT_PREPARED',
      'Transaction PREPARE',
      'XLOG CHECKPOINT_ONLINE',
      'XLOG RESTORE_POINT',
    ]),
  )
}

/** The facts of a record in one line; null for a record that nothing is read out of. */
function ourText(record: WalRecord): string | null {
  const transaction = parseTransaction(record)
  if (transaction !== null) return transactionText(transaction)
  const server = parseServerRecord(record)
  if (server?.kind === 'restore-point') return server.name
  if (server?.kind === 'checkpoint')
    return `redo ${formatLsn(server.redo)} ${server.timeline} ${server.previousTimeline} ${server.fullPageWrites} ${server.nextFullXid >> 32n}:${server.nextFullXid & 0xffffffffn}`
  if (server?.kind === 'running-transactions')
    return `${server.nextXid} ${server.latestCompletedXid} ${server.oldestRunningXid} ${server.xids.join(' ')}`.trim()
  const relation = parseRelationRecord(record)
  switch (relation?.kind) {
    case 'file-created':
      return fileText(relation.file)
    case 'file-truncated':
      return `${fileText(relation.file)} ${relation.blocks}`
    case 'truncate':
      return relation.relations.join(' ')
    case 'relation-map':
      return `${relation.database} ${relation.tablespace}`
    case 'database-dropped':
      return `${relation.database}`
    case 'message':
      return `${relation.transactional} ${relation.prefix} ${relation.length}`
    default:
      return null
  }
}

function transactionText(transaction: TransactionRecord): string {
  const { xid, time, gid, kind } = transaction
  const isLater = kind.endsWith('prepared')
  return [
    isLater ? `${xid}` : '',
    kind === 'prepare' ? gid : '',
    formatPgTime(time).replace('+00', ''),
    transaction.droppedFiles.map(fileText).join(' '),
    transaction.subtransactions.join(' '),
    kind === 'prepare' ? '' : transaction.droppedRelations.join(' '),
    transaction.changedRelations.join(' '),
  ].join('|')
}

function fileText({ tablespace, database, relfilenode }: RelationFile): string {
  return tablespace === 1664 ? `global/${relfilenode}` : `base/${database}/${relfilenode}`
}

/** The same out of PostgreSQL's text. */
function theirText({ manager, type, text }: Described): string {
  const words = (pattern: RegExp) => pattern.exec(text)?.[1]?.trim() ?? ''
  switch (`${manager} ${type}`) {
    case 'Transaction COMMIT':
    case 'Transaction ABORT':
    case 'Transaction COMMIT_PREPARED':
    case 'Transaction ABORT_PREPARED':
    case 'Transaction PREPARE': {
      const [, gid = '', xid = '', time] = /^(?:gid (.*?): )?(?:(\d+): )?(\S+ [0-9:.]+)/.exec(text)!
      const ends = type !== 'PREPARE'
      const dropped = [...words(/dropped stats: ([^;]*)/).matchAll(/(\d+)\/\d+\/(\d+)/g)]
      const changed = [...words(/inval msgs: ([^;]*)/).matchAll(/relcache (\d+)/g)].map(([, oid]) => oid)
      return [
        xid,
        gid,
        time!.replace(/\.?0+$/, (zeros) => (time!.includes('.') ? '' : zeros)),
        ends ? words(/; rels: ([^;]*)/) : '',
        words(/subxacts: ([^;]*)/),
        dropped
          .filter(([, kind]) => ends && kind === '2')
          .map(([, , oid]) => oid)
          .join(' '),
        ends ? [...new Set(changed)].join(' ') : '',
      ].join('|')
    }
    case 'XLOG RESTORE_POINT':
      return text
    case 'XLOG CHECKPOINT_ONLINE':
    case 'XLOG CHECKPOINT_SHUTDOWN': {
      const [, redo, timeline, previous, writes, xid] =
        /^redo (\S+); tli (\d+); prev tli (\d+); fpw (true|false);.* xid (\d+:\d+)/.exec(text)!
      return `redo ${formatLsn(parseLsn(redo!) as Lsn)} ${timeline} ${previous} ${writes} ${xid}`
    }
    case 'Standby RUNNING_XACTS': {
      const [, next, latest, oldest] = /^nextXid (\d+) latestCompletedXid (\d+) oldestRunningXid (\d+)/.exec(
        text,
      )!
      const xids = `${words(/xacts: ([\d ]*)/)} ${words(/subxacts: ([\d ]*)/)}`.trim()
      return `${next} ${latest} ${oldest} ${xids}`.trim()
    }
    case 'Storage CREATE':
      return text.replace(/_\w+$/, '')
    case 'Storage TRUNCATE':
      return /^(\S+) to (\d+) blocks/.exec(text)!.slice(1).join(' ')
    case 'Heap TRUNCATE':
      return [...words(/[ ,]relids:? +(.*)$/).matchAll(/\d+/g)].join(' ')
    case 'RelMap UPDATE':
      return /^database (\d+) tablespace (\d+)/.exec(text)!.slice(1).join(' ')
    case 'Database DROP':
      return /\/(\d+)$/.exec(text.split(' ')[1] ?? text)?.[1] ?? text
    case 'LogicalMessage MESSAGE': {
      const [, how, prefix, length] =
        /^(transactional|non-transactional), prefix "([^"]*)"; payload \((\d+) bytes\)/.exec(text)!
      return `${how === 'transactional'} ${prefix} ${length}`
    }
    default:
      return text
  }
}
