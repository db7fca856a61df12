import { readFile } from 'node:fs/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { assembledModule } from '../../scripts/assemble-wat.js'
import { type WalProblem, type WalScannerOptions, WalVerifier } from '../../src/records/index.js'
import { type Lsn, parseLsn } from '../../src/wal/index.js'
import { PAGE_SIZE, SEGMENT_SIZE, WalBytes } from './wal-bytes.js'

/** The end of 32 bits of a position lies in it. */
const START = parseLsn('3/FFF00000')
const ROUNDS = process.env.WALSHIP_TEST_LONG === undefined ? 150 : 3000
const SMALL_PIECE = 21

describe('walkRecords', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
    vi.resetModules()
  })

  it('is what its source says', async () => {
    const kept = await readFile(new URL('../../src/records/record-walk-wasm.ts', import.meta.url), 'utf8')
    expect(kept).toBe(await assembledModule())
  })

  /** In pieces so small that hardly a record lies whole in one, everything is taken by the careful code. */
  it('passes what the careful code passes, and nothing else', () => {
    const good = smallRecords().bytes
    const random = randomNumbers(1)
    const found = { none: 0, some: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = Buffer.from(good)
      const base = Math.floor(random() * (bytes.length / PAGE_SIZE - 4)) * PAGE_SIZE
      for (let i = round % 4; i >= 0; i--)
        bytes[base + Math.floor(random() * 3 * PAGE_SIZE)]! ^= 1 << Math.floor(random() * 8)
      const part = bytes.subarray(Math.max(0, base - PAGE_SIZE), base + 5 * PAGE_SIZE)
      const start = (START + BigInt(Math.max(0, base - PAGE_SIZE))) as Lsn
      const atOnce = outcome(WalVerifier, start, part, part.length)
      expect(atOnce).toEqual(outcome(WalVerifier, start, part, SMALL_PIECE))
      found[atOnce.problems.length === 0 ? 'none' : 'some']++
    }
    expect(found.some).toBeGreaterThan(ROUNDS / 2)
    expect(found.none).toBeGreaterThan(0)
  })

  it('leaves it all to the careful code where there is no WebAssembly', async () => {
    const { bytes } = smallRecords()
    const expected = outcome(WalVerifier, START, bytes, bytes.length)
    bytes[PAGE_SIZE + 1000]! ^= 1
    const damaged = outcome(WalVerifier, START, bytes, bytes.length)
    vi.stubGlobal('WebAssembly', undefined)
    vi.resetModules()
    const without = (await import('../../src/records/index.js')).WalVerifier
    expect(without).not.toBe(WalVerifier)
    expect(outcome(without, START, bytes, bytes.length)).toEqual(damaged)
    bytes[PAGE_SIZE + 1000]! ^= 1
    expect(outcome(without, START, bytes, bytes.length)).toEqual(expected)
  })

  it.each([
    ['pages of 32 kB', 32_768],
    ['pages of 64 kB', 65_536],
  ])('takes records of %s', (_, walBlockSize) => {
    const wal = new WalBytes(START)
    while (wal.lsn < START + 8000n) wal.record({ bodyLength: 50 })
    // One page of that size, as far as it goes.
    const bytes = wal.bytes.subarray(0, PAGE_SIZE)
    bytes.writeUInt32LE(walBlockSize, 36)
    const { records } = outcome(WalVerifier, START, bytes, bytes.length, { walBlockSize })
    expect(records).toBeGreaterThan(90)
  })
})

/** Records of all remainders of 8, of extensions' managers, and switches; over a segment's end. */
function smallRecords(): WalBytes {
  const wal = new WalBytes(START)
  for (let i = 0; wal.lsn < START + BigInt(SEGMENT_SIZE + 20 * PAGE_SIZE); i++) {
    const resourceManager = i % 11 === 0 ? 128 + (i % 128) : i % 22
    wal.record({ bodyLength: (i * 7) % 150, xid: i, resourceManager, info: (i & 3) << 4 })
    if (i === 8000) {
      wal.record({ resourceManager: 0, info: 0x40, bodyLength: 0 })
      wal.fill('segment')
    }
  }
  return wal
}

/** Everything that can be told of a scan. */
function outcome(
  Verifier: typeof WalVerifier,
  start: Lsn,
  bytes: Buffer,
  pieceSize: number,
  options: Partial<WalScannerOptions> = {},
) {
  const problems: WalProblem[] = []
  const verifier = new Verifier({
    segmentSize: SEGMENT_SIZE,
    timeline: 1,
    ancestors: [],
    onProblem: (problem) => problems.push(problem),
    ...options,
  })
  for (let at = 0; at < bytes.length; at += pieceSize)
    verifier.push((start + BigInt(at)) as Lsn, bytes.subarray(at, at + pieceSize))
  const { records, strayPadding, verifiedLsn, lastRecordLsn, unfinishedRecordLsn, zerosFrom } = verifier
  // Where it was found depends on the pieces.
  const told = problems.map(({ kind, lsn, text, resumedAt }) => ({ kind, lsn, text, resumedAt }))
  return { problems: told, records, strayPadding, verifiedLsn, lastRecordLsn, unfinishedRecordLsn, zerosFrom }
}

function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 0x1_0000_0000
  }
}
