import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { installedPostgres } from '../../scripts/postgres-binaries.js'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { crashInRecord, prepareWorkload, runWorkload, workloadSettings } from '../../scripts/wal-workload.js'
import {
  pageMagicOfMajor,
  readRecords,
  type WalProblem,
  type WalRecord,
  WalVerifier,
} from '../../src/records/index.js'
import { formatLsn, type Lsn, parseLsn } from '../../src/wal/index.js'
import { ancestorsOf, type ServerSegment, serverWal } from './server-wal.js'
import { MAJOR } from './test-server.js'

/** All in the matrix, fewer in a run of all tests. */
const IS_LONG = process.env.WALSHIP_TEST_PG_MAJOR !== undefined
const SIZES_MB = MAJOR < 11 ? [16] : IS_LONG ? [1, 16, 64] : [1, 16]
const ROUNDS = IS_LONG ? 6 : 2
const WALDUMP_MAJOR = 15

describe.each(SIZES_MB)(`WAL that a PostgreSQL ${MAJOR} server wrote, in segments of %d MB`, (sizeMb) => {
  const segmentSize = sizeMb * 1024 * 1024
  const segments: { timeline: number; files: ServerSegment[]; end: Lsn }[] = []
  const problems: WalProblem[] = []
  let overwritten = 0

  beforeAll(async () => {
    await using server = await PostgresServer.launch({
      major: MAJOR,
      ...(MAJOR >= 11 ? { segmentSizeMb: sizeMb } : {}),
      settings: workloadSettings(MAJOR),
    })
    await prepareWorkload(server)
    for (let round = 0; round < ROUNDS; round++) {
      await runWorkload(server, round, IS_LONG ? 3 : 1)
      await crashInRecord(server, 100 + round * 150)
    }
    await server.stop()
    await server.recover({ restore_command: 'false' }, 'promotion')
    await server.start()
    await waitFor('the promotion', async () => (await server.value('SELECT pg_is_in_recovery()')) === 'false')
    await server.query('SELECT pg_switch_wal()')
    await runWorkload(server, ROUNDS, 1)
    const end = parseLsn(await server.value('SELECT pg_current_wal_flush_lsn()'))
    await server.stop()
    for (const timeline of [1, 2]) {
      const files = await serverWal(server.walDirectory, segmentSize, timeline)
      segments.push({ timeline, files, end })
      const verifier = new WalVerifier({
        segmentSize,
        timeline,
        ancestors: await ancestorsOf(server.walDirectory, timeline),
        magic: pageMagicOfMajor(MAJOR)!,
        onProblem: (problem) => problems.push(problem),
      })
      for (const { lsn, bytes } of files) verifier.push(lsn, bytes)
      overwritten += verifier.overwrittenRecords
      expect(verifier.strayPadding).toBe(0)
    }
  }, 600_000)

  it('is free of problems, crashes and a promotion included', () => {
    expect(problems).toEqual([])
    expect(segments.map(({ files }) => files.length).every((count) => count > 1)).toBe(true)
    process.stderr.write(
      `PostgreSQL ${MAJOR}, ${sizeMb} MB: ${segments.map(({ files }) => files.length).join(' + ')} segments, ${overwritten} records given up\n`,
    )
  })

  it('holds the same records when it comes in pieces', () => {
    const { files } = segments[1]!
    const whole = listed(files, segmentSize, 2)
    const pieces = files.flatMap(({ lsn, bytes }) => inPieces(lsn, bytes))
    expect(listed(pieces, segmentSize, 2)).toEqual(whole)
    expect(whole.length).toBeGreaterThan(1000)
  })
})

describe('records as pg_waldump and pg_walinspect see them', () => {
  it.runIf(installedPostgres(WALDUMP_MAJOR) !== null)('are the same in pg_waldump 15', async () => {
    const binaries = installedPostgres(WALDUMP_MAJOR)!
    await using server = await PostgresServer.launch({ binaries, settings: workloadSettings(WALDUMP_MAJOR) })
    await prepareWorkload(server)
    await runWorkload(server, 0, 1)
    await server.stop()
    const files = await serverWal(server.walDirectory, 16 * 1024 * 1024, 1)
    const ours = listed(files, 16 * 1024 * 1024, 1)
    // It ends with an error when there is no more WAL, which is where it has to end.
    const { stdout } = await promisify(execFile)(
      `${binaries.bin}/pg_waldump`,
      ['-p', server.walDirectory, files[0]!.name, files.at(-1)!.name],
      { maxBuffer: 1e9 },
    ).catch((error) => error)
    const theirs = [
      ...stdout.matchAll(
        /^rmgr: (\S+) +len \(rec\/tot\): *\d+\/ *(\d+), tx: +(\d+), lsn: (\S+), prev (\S+),/gm,
      ),
    ].map(
      ([, manager, length, xid, lsn, prev]) => `${short(lsn!)} ${short(prev!)} ${manager} ${xid} ${length}`,
    )
    expect(ours.length).toBeGreaterThan(10_000)
    expect(ours).toEqual(theirs)
  })

  it.runIf(MAJOR >= 15)(`are the same in pg_walinspect ${MAJOR}`, async () => {
    await using server = await PostgresServer.launch({ major: MAJOR, settings: workloadSettings(MAJOR) })
    await server.query('CREATE EXTENSION pg_walinspect')
    const start = parseLsn(await server.value('SELECT pg_current_wal_flush_lsn()'))
    await prepareWorkload(server)
    await runWorkload(server, 0, 1)
    const end = parseLsn(await server.value('SELECT pg_current_wal_flush_lsn()'))
    const rows = await server.query<Record<string, string>>(
      `SELECT start_lsn::text, end_lsn::text, prev_lsn::text, resource_manager, xid::text, record_length::text,
        main_data_length::text, fpi_length::text, coalesce(block_ref, '') AS block_ref
       FROM pg_get_wal_records_info($1, $2)`,
      [formatLsn(start), formatLsn(end)],
    )
    await server.stop()
    const files = await serverWal(server.walDirectory, 16 * 1024 * 1024, 1)
    const ours: string[] = []
    for (const record of readRecords(files, { segmentSize: 16 * 1024 * 1024, timeline: 1 })) {
      if (record.lsn >= start && record.endLsn <= end) ours.push(inDetail(record))
    }
    expect(ours.length).toBeGreaterThan(10_000)
    expect(ours).toEqual(
      rows.map(
        (row) =>
          `${row.start_lsn} ${row.end_lsn} ${row.prev_lsn} ${row.resource_manager} ${row.xid} ${row.record_length} ${row.main_data_length} ${row.fpi_length} ${blockTexts(row.block_ref!)}`,
      ),
    )
  })
})

function listed(
  pieces: readonly { lsn: Lsn; bytes: Buffer }[],
  segmentSize: number,
  timeline: number,
): string[] {
  const found: string[] = []
  for (const record of readRecords(pieces, { segmentSize, timeline })) {
    const { lsn, prev, resourceManager, xid, totalLength } = record
    found.push(`${formatLsn(lsn)} ${formatLsn(prev)} ${resourceManager} ${xid} ${totalLength}`)
  }
  return found
}

/** Pieces of many sizes, as they come from a socket. */
function inPieces(lsn: Lsn, bytes: Buffer): { lsn: Lsn; bytes: Buffer }[] {
  const pieces: { lsn: Lsn; bytes: Buffer }[] = []
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7 + 13) % 131_072)
    pieces.push({ lsn: (lsn + BigInt(at)) as Lsn, bytes: bytes.subarray(at, at + size) })
  return pieces
}

/** pg_waldump pads the second half of a position with zeros. */
function short(lsn: string): string {
  return formatLsn(parseLsn(lsn))
}

function inDetail(record: WalRecord): string {
  const images = record.blocks.reduce((sum, { image }) => sum + (image?.length ?? 0), 0)
  const blocks = record.blocks.map(
    ({ tablespace, database, relfilenode, fork, block, image }) =>
      `${tablespace}/${database}/${relfilenode} ${fork} ${block}${image === null ? '' : ' FPW'}`,
  )
  return `${formatLsn(record.lsn)} ${formatLsn(record.endLsn)} ${formatLsn(record.prev)} ${record.resourceManager} ${record.xid} ${record.totalLength} ${record.mainData.length} ${images} ${blocks.join(', ')}`
}

/** The same from the text that pg_walinspect gives. */
function blockTexts(text: string): string {
  const forks = ['main', 'fsm', 'vm', 'init']
  return [...text.matchAll(/blkref #\d+: rel (\S+)(?: fork (\w+))? blk (\d+)( \(FPW|)/g)]
    .map(([, relation, fork, block, image]) => {
      return `${relation} ${forks.indexOf(fork ?? 'main')} ${block}${image === '' ? '' : ' FPW'}`
    })
    .join(', ')
}
