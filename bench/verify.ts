/**
 * How fast WAL is checked: `walship verify` against `pg_waldump -q` on the same WAL, with one thread and with one for each
 * processor; what checking costs while receiving, with a copy of the same slot each time; and what making the index of a
 * segment costs beside checking it, in one process, from memory.
 * Usage: node --import tsx bench/verify.ts [--gb=1] [--runs=3] [--parts=check,receive,index]
 */
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PostgresServer } from '../scripts/postgres-server.js'
import { prepare } from '../scripts/prepare.mjs'
import { SegmentIndexer, WalVerifier } from '../src/records/index.js'
import { type Lsn, lsnAdd, parseSegmentFileName, segmentStart } from '../src/wal/index.js'
import { peerServer } from './receivers.js'
import { markdownTable, median, numberOption, print, textOption } from './report.js'
import { type Cost, timedRun } from './timed-run.js'

const WALSHIP = fileURLToPath(new URL('../bin/walship', import.meta.url))
const SEGMENT_BYTES = 16 * 1024 * 1024
const ROWS_PER_GB = 7_000_000
const INDEXED_SEGMENTS = 12
const PIECE_BYTES = 1024 * 1024
const SCAN_OPTIONS = { segmentSize: SEGMENT_BYTES, timeline: 1 }

const gigabytes = numberOption('gb', 1)
const runCount = numberOption('runs', 3)
const parts = textOption('parts', 'check,receive,index').split(',')

await prepare()
const binaries = await peerServer()

/** Many small records, and records that are whole pages: a checker spends its time differently on them. */
const KINDS = {
  inserts: async (server: PostgresServer) => {
    await server.query('CREATE TABLE rows (id int, branch int, amount numeric, note text)')
    await server.query(
      `INSERT INTO rows SELECT i, i % 97, random() * 1000, md5(i::text) || ' note'
       FROM generate_series(1, ${Math.ceil(gigabytes * ROWS_PER_GB)}) i`,
    )
  },
  'full-page images': async (server: PostgresServer) => {
    await server.query('CREATE TABLE pages (note text)')
    await server.query(`INSERT INTO pages SELECT md5(i::text) FROM generate_series(1, 1000000) i`)
    const position = async () => BigInt(await server.value(`SELECT pg_current_wal_lsn() - '0/0'`))
    const begun = await position()
    // A new index is written as whole pages.
    while (Number((await position()) - begun) < gigabytes * 1e9) {
      await server.query('CREATE INDEX made ON pages (note)')
      await server.query('DROP INDEX made')
    }
  },
} as const

for (const [kind, fill] of Object.entries(KINDS)) {
  await using server = await PostgresServer.launch({
    binaries,
    settings: {
      max_wal_size: '20GB',
      checkpoint_timeout: '1h',
      wal_keep_size: '20GB',
      shared_buffers: '256MB',
      autovacuum: false,
    },
  })
  await server.query('SELECT pg_switch_wal()')
  await server.query(`SELECT pg_create_physical_replication_slot('keeper', true)`)
  await fill(server)
  await server.query('SELECT pg_switch_wal()')
  await server.query('CHECKPOINT')
  if (parts.includes('check')) await benchCheck(kind, server)
  if (parts.includes('receive')) await benchReceive(kind, server)
  if (parts.includes('index')) await benchIndex(kind, server)
}

async function usedSegments(server: PostgresServer): Promise<string[]> {
  const names = (await readdir(server.walDirectory)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort()
  const current = await server.value('SELECT pg_walfile_name(pg_current_wal_lsn())')
  return names.filter((name) => name < current)
}

async function benchCheck(kind: string, server: PostgresServer): Promise<void> {
  const used = await usedSegments(server)
  const programs: Record<string, () => Promise<Cost>> = {
    'pg_waldump -q': () =>
      timedRun(`${binaries.bin}/pg_waldump`, ['-q', '-p', server.walDirectory, used[0]!, used.at(-1)!]),
  }
  for (const jobs of new Set([1, 2, cpus().length]))
    programs[`walship verify --jobs ${jobs}`] = () =>
      timedRun(process.execPath, [WALSHIP, 'verify', '-D', server.walDirectory, '--jobs', String(jobs)])
  const costs = await inTurns(programs)
  const bytes = used.length * SEGMENT_BYTES
  const peer = median(costs.get('pg_waldump -q')!.map(({ wallSeconds }) => wallSeconds))
  const rows = [...costs].map(([name, runs]) => {
    const wall = median(runs.map(({ wallSeconds }) => wallSeconds))
    const cpu = median(runs.map(({ cpuSeconds }) => cpuSeconds))
    const peakRss = median(runs.map(({ peakRssMb }) => peakRssMb))
    return [
      name,
      (bytes / 1e6 / wall).toFixed(0),
      (peer / wall).toFixed(2),
      cpu.toFixed(2),
      peakRss.toFixed(0),
    ]
  })
  print(
    markdownTable(
      [`${kind}, ${(bytes / 1e9).toFixed(2)} GB`, 'MB/s', 'ratio', 'CPU (s)', 'memory (MB)'],
      rows,
    ),
  )
}

async function benchReceive(kind: string, server: PostgresServer): Promise<void> {
  const end = BigInt(await server.value(`SELECT pg_current_wal_flush_lsn() - '0/0'`))
  const reserved = BigInt(await server.value(`SELECT restart_lsn - '0/0' FROM pg_replication_slots`))
  const last = end - (end % BigInt(SEGMENT_BYTES)) - 1n
  const endpos = `${(last >> 32n).toString(16)}/${(last & 0xffff_ffffn).toString(16)}`
  const receive = async (...options: string[]) => {
    const directory = await mkdtemp(join(tmpdir(), 'walship-bench-verify-'))
    await mkdir(directory, { recursive: true })
    await server.query(`SELECT pg_copy_physical_replication_slot('keeper', 'run')`)
    try {
      const args = ['receive', '-D', directory, '-S', 'run', '-E', endpos, '-d', server.dsn]
      return await timedRun(WALSHIP, [...args, '--log-level', 'warn', ...options])
    } finally {
      await server.query(`SELECT pg_drop_replication_slot('run')`)
      await rm(directory, { recursive: true })
    }
  }
  const costs = await inTurns({
    '--verify off': () => receive('--verify', 'off'),
    '--verify warn': () => receive('--verify', 'warn'),
    '--verify stop': () => receive('--verify', 'stop'),
  })
  const bytes = Number(last + 1n - reserved)
  const off = median(costs.get('--verify off')!.map(({ wallSeconds }) => wallSeconds))
  const rows = [...costs].map(([name, runs]) => {
    const wall = median(runs.map(({ wallSeconds }) => wallSeconds))
    const cpu = median(runs.map(({ cpuSeconds }) => cpuSeconds))
    return [name, (bytes / 1e6 / wall).toFixed(0), (off / wall).toFixed(2), cpu.toFixed(2)]
  })
  print(
    markdownTable([`receiving ${kind}, ${(bytes / 1e9).toFixed(2)} GB`, 'MB/s', 'ratio', 'CPU (s)'], rows),
  )
}

async function benchIndex(kind: string, server: PostgresServer): Promise<void> {
  const used = await usedSegments(server)
  const segments = await Promise.all(
    used.slice(0, INDEXED_SEGMENTS).map((name) => readFile(join(server.walDirectory, name))),
  )
  const work: Record<string, (start: Lsn, bytes: Buffer) => void> = {
    check: (start, bytes) => new WalVerifier(SCAN_OPTIONS).push(start, bytes),
    index: (start, bytes) => {
      const indexer = new SegmentIndexer(SCAN_OPTIONS)
      for (let at = 0; at < bytes.length; at += PIECE_BYTES)
        indexer.push(lsnAdd(start, at), bytes.subarray(at, at + PIECE_BYTES))
      indexer.finish()
    },
  }
  const seconds = new Map<string, number[]>(Object.keys(work).map((name) => [name, []]))
  for (let run = 0; run <= runCount; run++) {
    for (const [name, take] of Object.entries(work)) {
      const begun = performance.now()
      for (const [index, bytes] of segments.entries()) {
        const { segment } = parseSegmentFileName(used[index]!, SEGMENT_BYTES)!
        take(segmentStart(segment, SEGMENT_BYTES), bytes)
      }
      // The first run is for the compiler.
      if (run > 0) seconds.get(name)!.push((performance.now() - begun) / 1000)
    }
  }
  const rows = [...seconds].map(([name, all]) => {
    const each = median(all) / segments.length
    return [name, (SEGMENT_BYTES / 1e6 / each).toFixed(0), (each * 1000).toFixed(1)]
  })
  print(markdownTable([`${kind}, ${segments.length} segments in memory`, 'MB/s', 'ms for each'], rows))
}

/** Who goes first changes from run to run. */
async function inTurns(
  programs: Readonly<Record<string, () => Promise<Cost>>>,
): Promise<Map<string, Cost[]>> {
  const names = Object.keys(programs)
  const costs = new Map<string, Cost[]>(names.map((name) => [name, []]))
  for (let run = 0; run < runCount; run++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + run) % names.length]!
      costs.get(name)!.push(await programs[name]!())
    }
  }
  return costs
}
