/** Indexes of a server's segments, against all its records read in one go. */
import { beforeAll, describe, expect, it } from 'vitest'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { prepareWorkload, runWorkload, workloadSettings } from '../../scripts/wal-workload.js'
import {
  droppedNumbers,
  formatSegmentIndex,
  parseSegmentIndex,
  parseServerRecord,
  parseTransaction,
  readRecords,
  recordBetween,
  type SegmentIndex,
  SegmentIndexer,
  type WalRecord,
  xidPrecedes,
} from '../../src/records/index.js'
import { formatLsn, type Lsn } from '../../src/wal/index.js'
import { type ServerSegment, serverWal } from './server-wal.js'
import { MAJOR } from './test-server.js'

const SIZES_MB = MAJOR < 11 ? [16] : [1, 16, 64]

describe.each(SIZES_MB)(`indexes of PostgreSQL ${MAJOR} segments of %d MB`, (sizeMb) => {
  const segmentSize = sizeMb * 1024 * 1024
  let files: ServerSegment[]
  let records: WalRecord[]
  let indexes: SegmentIndex[]

  beforeAll(async () => {
    await using server = await PostgresServer.launch({
      major: MAJOR,
      ...(MAJOR >= 11 ? { segmentSizeMb: sizeMb } : {}),
      settings: workloadSettings(MAJOR),
    })
    await prepareWorkload(server)
    for (let round = 0; round < 2; round++) await runWorkload(server, round, 1)
    await server.query('CHECKPOINT')
    await server.stop()
    files = await serverWal(server.walDirectory, segmentSize, 1)
    records = [...readRecords(files, { segmentSize, timeline: 1 })]
    indexes = files.map(({ lsn, bytes }) => indexOf(lsn, bytes, segmentSize)!)
  })

  /** Records that lie whole in a segment. */
  const within = (number: number) => {
    const start = files[number]!.lsn
    const end = (start + BigInt(segmentSize)) as Lsn
    const whole = new Set(
      [...readRecords([files[number]!], { segmentSize, timeline: 1 })].map(({ lsn }) => lsn),
    )
    return records.filter(({ lsn }) => lsn >= start && lsn < end && whole.has(lsn))
  }

  it('tell what the records tell', () => {
    expect(files.length).toBeGreaterThan(1)
    indexes.forEach((index, number) => {
      const inside = within(number)
      const commits = inside
        .map(parseTransaction)
        .filter((each) => each?.kind === 'commit' || each?.kind === 'commit-prepared')
      const times = commits.map((each) => each!.time).sort((a, b) => (a < b ? -1 : 1))
      const points = inside.map(parseServerRecord)
      expect(index.records).toBe(inside.length)
      expect(index.commits).toBe(commits.length)
      expect(index.firstCommitTime).toBe(times[0] ?? null)
      expect(index.lastCommitTime).toBe(times.at(-1) ?? null)
      expect(index.lastLsn).toBe(inside.at(-1)?.lsn ?? null)
      expect(index.endLsn).toBe(inside.at(-1)?.endLsn ?? null)
      expect(index.fullPageImages).toBe(
        inside.reduce((sum, { blocks }) => sum + blocks.filter(({ image }) => image !== null).length, 0),
      )
      expect(index.restorePoints.length).toBe(points.filter((each) => each?.kind === 'restore-point').length)
      expect(index.checkpoints.length).toBe(points.filter((each) => each?.kind === 'checkpoint').length)
      expect(index.dropped).toEqual([...new Set(inside.flatMap(droppedNumbers))].sort((a, b) => a - b))
      for (const { xid } of inside) {
        if (xid === 0) continue
        expect(xidPrecedes(xid, index.oldestXid!)).toBe(false)
        expect(xidPrecedes(index.newestXid!, xid)).toBe(false)
      }
    })
    expect(indexes.some(({ dropped }) => dropped!.length > 0)).toBe(true)
    expect(indexes.flatMap(({ restorePoints }) => restorePoints).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['round 0', 'round 1']),
    )
  })

  it('together hold also the records that go over the end of a segment', () => {
    let joined = 0
    indexes.slice(0, -1).forEach((index, number) => {
      const found = recordBetween(index, indexes[number + 1]!, segmentSize)
      const wanted = records.find(({ lsn }) => lsn === index.unfinished?.lsn)
      if (found === 'unknown')
        throw new Error(`the record at ${formatLsn(index.unfinished!.lsn)} is not kept`)
      if (found === null) {
        // It is none of those that somebody looks for.
        if (wanted === undefined) return
        expect(parseTransaction(wanted)).toBeNull()
        expect(parseServerRecord(wanted)?.kind).not.toBe('restore-point')
        return
      }
      joined++
      expect(found.bytes.equals(wanted!.bytes)).toBe(true)
      expect(found.endLsn).toBe(wanted!.endLsn)
    })
    process.stderr.write(`${files.length} segments of ${sizeMb} MB, ${joined} records joined\n`)
  })

  it('survive being written down, and are not taken for those of another segment', () => {
    files.forEach(({ name }, number) => {
      const of = { segment: name, sha256: '0'.repeat(64) }
      const content = formatSegmentIndex(indexes[number]!, of)
      expect(content.length).toBeLessThan(16_384)
      expect(parseSegmentIndex(content, of)).toEqual(indexes[number])
      expect(parseSegmentIndex(content, { ...of, sha256: '1'.repeat(64) })).toBeNull()
      expect(parseSegmentIndex(content.subarray(0, -9), of)).toBeNull()
      expect(
        parseSegmentIndex(Buffer.from(String(content).replace('"format":1', '"format":2')), of),
      ).toBeNull()
    })
  })

  it('are not made of damaged segments', () => {
    const { lsn, bytes } = files[0]!
    const damaged = Buffer.from(bytes)
    damaged[Number(indexes[0]!.lastLsn! - lsn) + 20]! ^= 1
    expect(indexOf(lsn, damaged, segmentSize)).toBeNull()
  })
})

function indexOf(lsn: Lsn, bytes: Buffer, segmentSize: number): SegmentIndex | null {
  const indexer = new SegmentIndexer({ segmentSize, timeline: 1 })
  indexer.push(lsn, bytes)
  return indexer.finish()
}
