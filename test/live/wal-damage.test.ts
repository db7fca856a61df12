import { beforeAll, describe, expect, it } from 'vitest'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { prepareWorkload, runWorkload, workloadSettings } from '../../scripts/wal-workload.js'
import { RecordReader, type WalProblem, WalVerifier } from '../../src/records/index.js'
import { formatLsn, type Lsn } from '../../src/wal/index.js'
import { serverWal } from './server-wal.js'
import { MAJOR, SEGMENT_SIZE } from './test-server.js'

const IS_LONG = process.env.WALSHIP_TEST_PG_MAJOR !== undefined
const FLIPS = IS_LONG ? 4000 : 400
const PAGE_SIZE = 8192

/** Segments looked at for each flip: the damaged one, and what goes on from it. */
const CHAIN = 3

describe(`bits that fall over in the WAL of PostgreSQL ${MAJOR}`, () => {
  let wal: Buffer
  let start: Lsn
  /** By byte: 1 where a change must be found, 0 where nobody ever looks. */
  let live: Uint8Array

  beforeAll(async () => {
    await using server = await PostgresServer.launch({
      major: MAJOR,
      ...(MAJOR >= 11 ? { segmentSizeMb: 1 } : {}),
      settings: workloadSettings(MAJOR),
    })
    await prepareWorkload(server)
    await runWorkload(server, 0, 1)
    await server.stop()
    const files = await serverWal(server.walDirectory, SEGMENT_SIZE, 1)
    wal = Buffer.concat(files.map(({ bytes }) => bytes))
    start = files[0]!.lsn
    live = liveBytes(wal, start)
  }, 120_000)

  it('are found wherever a recovery would look, and only there', () => {
    const random = randomNumbers(MAJOR * 1000 + 7)
    const wrong: string[] = []
    const count = { live: 0, dead: 0 }
    for (let i = 0; i < FLIPS; i++) {
      // Every fourth in a place where nothing is, as far as there are such.
      const at = i % 4 === 0 ? placeOf(0, random) : placeOf(1, random)
      const bit = Math.floor(random() * 8)
      const isDead = live[at] === 0 || isMeaninglessFlag(at, bit)
      count[isDead ? 'dead' : 'live']++
      const problems = withFlip(at, 1 << bit)
      const isRight = isDead ? problems.length === 0 : problems.length === 1 && covers(problems[0]!, at)
      if (!isRight)
        wrong.push(
          `${formatLsn((start + BigInt(at)) as Lsn)} bit ${bit}, ${isDead ? 'dead' : 'live'}: ${problems.map(({ text }) => text).join('; ') || 'not found'}`,
        )
    }
    expect(wrong).toEqual([])
    expect(count.dead).toBeGreaterThan(FLIPS / 8)
    process.stderr.write(`PostgreSQL ${MAJOR}: ${count.live} live bits, ${count.dead} dead ones\n`)
  }, 600_000)

  /** The problems of the WAL around a place when a bit of it is turned. */
  function withFlip(at: number, mask: number): WalProblem[] {
    const first = Math.max(0, Math.floor(at / SEGMENT_SIZE) - 1) * SEGMENT_SIZE
    const piece = wal.subarray(first, first + CHAIN * SEGMENT_SIZE)
    const problems: WalProblem[] = []
    const verifier = new WalVerifier({
      segmentSize: SEGMENT_SIZE,
      timeline: 1,
      ancestors: [],
      systemIdentifier: wal.readBigUInt64LE(24),
      magic: wal.readUInt16LE(0),
      onProblem: (problem) => problems.push(problem),
    })
    wal[at]! ^= mask
    verifier.push((start + BigInt(first)) as Lsn, piece)
    wal[at]! ^= mask
    return problems
  }

  /** The problem must begin at or before the place, and say so before WAL goes on behind it. */
  function covers(problem: WalProblem, at: number): boolean {
    const place = start + BigInt(at)
    return problem.lsn <= place && (problem.resumedAt === null || problem.resumedAt > place)
  }

  /** XLP_BKP_REMOVABLE: on or off on any page, as it was when the page was begun. */
  function isMeaninglessFlag(at: number, bit: number): boolean {
    return at % PAGE_SIZE === 2 && bit === 2
  }

  function placeOf(kind: 0 | 1, random: () => number): number {
    for (;;) {
      // Not in the first segment: the end of a record that began before it cannot be checked.
      const at = SEGMENT_SIZE + Math.floor(random() * (wal.length - SEGMENT_SIZE))
      if (live[at] === kind) return at
    }
  }
})

/** Marks records and page headers, from what the reader says of good WAL. */
function liveBytes(wal: Buffer, start: Lsn): Uint8Array {
  const live = new Uint8Array(wal.length)
  const isHeader = (at: number) => at % PAGE_SIZE < (at % SEGMENT_SIZE < PAGE_SIZE ? 40 : 24)
  let end = 0
  const reader = new RecordReader(
    { segmentSize: SEGMENT_SIZE, timeline: 1 },
    ({ lsn, totalLength, endLsn, resourceManagerId, operation }) => {
      let at = Number(lsn - start)
      for (let rest = totalLength; rest > 0; at++)
        if (!isHeader(at)) {
          live[at] = 1
          rest--
        }
      end = resourceManagerId === 0 && operation === 0x40 ? at : Number(endLsn - start)
      // Behind a switch even page headers are blank.
      for (let page = Number(lsn - start) - (Number(lsn - start) % PAGE_SIZE); page < end; page += PAGE_SIZE)
        markHeader(live, page)
    },
  )
  reader.push(start, wal)
  return live
}

/** All of a page's header but four bytes in its middle. */
function markHeader(live: Uint8Array, page: number): void {
  live.fill(1, page, page + 20)
  if (page % SEGMENT_SIZE === 0) live.fill(1, page + 24, page + 40)
}

/** The same numbers in every run. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 0x1_0000_0000
  }
}
