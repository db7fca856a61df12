import {
  droppedNumbers,
  extendCrc32c,
  formatSegmentIndex,
  operationName,
  parseRelationRecord,
  parseSegmentIndex,
  parseServerRecord,
  parseTransaction,
  RecordReader,
  recordBetween,
  SegmentIndexer,
  WalRecord,
  WalVerifier,
} from '../../../src/records/index.js'
import { formatLsn, type Lsn, parseLongPageHeader } from '../../../src/wal/index.js'
import { type FuzzTarget, firstDifference, leaked, must } from '../judge.js'
import { mutateBytes, mutateText } from '../mutate.js'
import type { Random } from '../random.js'
import { SEED_SEGMENT_SIZE, WAL_SEEDS, type WalSeed } from '../seeds.js'

const PAGE = 8192

/** A few pages in a row, changed in places. */
function damaged(random: Random, seed: WalSeed): Buffer {
  const pages = seed.bytes.length / PAGE
  const from = random.below(pages - 1)
  const bytes = Buffer.from(seed.bytes.subarray(from * PAGE, (from + 1 + random.below(4)) * PAGE))
  for (let changes = random.below(5); changes > 0; changes--) {
    const at = random.below(bytes.length - 64) & (random.onceIn(2) ? ~(PAGE - 1) : ~7)
    const piece = mutateBytes(random, bytes.subarray(at, at + 48), [seed.bytes])
    piece.copy(bytes, at, 0, 48)
  }
  return bytes
}

/**
 * Pages with damage, checked as a stream and as a file. In whatever pieces they come, the same is found. Nothing is
 * thrown: damage is an answer.
 */
export const pagesTarget: FuzzTarget = {
  name: 'pages',
  shortRuns: 250,
  run(random) {
    const seed = random.pick(WAL_SEEDS)
    const bytes = damaged(random, seed)
    const lsn = (seed.start + BigInt(random.below(seed.bytes.length / PAGE)) * BigInt(PAGE)) as Lsn
    const zeros = random.pick(['end', 'problem'] as const)
    const options = { segmentSize: SEED_SEGMENT_SIZE, timeline: random.pick([1, 1, 2]), zeros }
    const scan = (pieceSize: number): string => {
      const found: string[] = []
      const reader = new RecordReader(
        { ...options, onProblem: ({ kind, lsn }) => found.push(`${kind} ${formatLsn(lsn)}`) },
        (record) => found.push(`${formatLsn(record.lsn)} ${record.totalLength}`),
      )
      for (let at = 0; at < bytes.length; at += pieceSize)
        reader.push((lsn + BigInt(at)) as Lsn, bytes.subarray(at, at + pieceSize))
      must(reader.unfinishedBytes.length <= bytes.length, 'more is kept than came')
      return [...found, reader.position, reader.verifiedLsn].join('\n')
    }
    const whole = attempt('the record reader', () => scan(bytes.length))
    const cut = attempt('the record reader', () => scan(random.pick([1, 7, 100, 8191, 8193])))
    must(whole === cut, `in pieces something else is found: ${firstDifference(whole, cut)}`)
    const verifier = new WalVerifier(options)
    attempt('the verifier', () => verifier.push(lsn, bytes))
    parseLongPageHeader(bytes)
  },
}

function attempt<Value>(what: string, run: () => Value): Value {
  try {
    return run()
  } catch (error) {
    throw leaked(what, error)
  }
}

interface RecordSeed {
  readonly bytes: Buffer
  readonly magic: number
}

let records: RecordSeed[] | undefined

function recordSeeds(): RecordSeed[] {
  const found: RecordSeed[] = []
  for (const { start, timeline, bytes } of WAL_SEEDS) {
    const perKind = new Map<string, number>()
    const reader = new RecordReader({ segmentSize: SEED_SEGMENT_SIZE, timeline }, (record) => {
      const kind = `${record.resourceManagerId} ${record.info}`
      const count = (perKind.get(kind) ?? 0) + 1
      perKind.set(kind, count)
      if (count <= 4 && record.bytes.length < 3000)
        found.push({ bytes: Buffer.from(record.bytes), magic: record.magic })
    })
    reader.push(start, bytes)
  }
  return found
}

/**
 * Records whose checksum is right and whose content is not: what a false server could send. What is read of them, or a
 * RangeError of ours that says it makes no sense.
 */
export const recordsTarget: FuzzTarget = {
  name: 'records',
  shortRuns: 3000,
  run(random) {
    records ??= recordSeeds()
    const seed = random.pick(records)
    const bytes = mutateBytes(
      random,
      seed.bytes,
      records.slice(0, 50).map(({ bytes }) => bytes),
    )
    if (bytes.length < 24) return
    bytes.writeUInt32LE(bytes.length, 0)
    if (random.onceIn(4)) bytes[17] = random.pick([0, 1, 2, 4, 7, 8, 9, 10, 21])
    const magic = random.onceIn(8) ? random.pick([0xd097, 0xd106, 0xd110, 0xd118, 0]) : seed.magic
    const record = new WalRecord(0, 0x100_0000, 0x200_0000n as Lsn, bytes, magic)
    operationName(record)
    for (const read of [
      () => record.blocks,
      () => record.mainData,
      () => parseTransaction(record),
      () => parseServerRecord(record),
      () => parseRelationRecord(record),
      () => droppedNumbers(record),
    ])
      try {
        read()
      } catch (error) {
        if (!(error instanceof RangeError && /WAL record/.test(error.message)))
          throw leaked('a record', error)
      }
    const crc = extendCrc32c(extendCrc32c(0, bytes, 24, bytes.length), bytes, 0, 20) >>> 0
    bytes.writeUInt32LE(crc, 20)
  },
}

const segment = '000000010000000000000004'
const sha256 = 'a'.repeat(64)

/** Indexes of segments: read back as they were written, and anything else is none. */
export const indexTarget: FuzzTarget = {
  name: 'index',
  shortRuns: 600,
  run(random) {
    const seed = random.pick(WAL_SEEDS)
    const indexer = new SegmentIndexer({ segmentSize: SEED_SEGMENT_SIZE, timeline: seed.timeline })
    attempt('the indexer', () =>
      indexer.push(seed.start, seed.bytes.subarray(0, PAGE * (1 + random.below(6)))),
    )
    const index = indexer.finish()
    must(index !== null, 'good WAL has no index')
    const written = formatSegmentIndex(index, { segment, sha256 })
    const again = parseSegmentIndex(written, { segment, sha256 })
    must(again !== null, 'an index was not read back')
    must(
      formatSegmentIndex(again, { segment, sha256 }).equals(written),
      'an index was read back as another one',
    )
    const changed = random.onceIn(2)
      ? Buffer.from(mutateText(random, written.toString(), WORDS))
      : replaced(random, written.toString())
    const read = attempt('an index', () => parseSegmentIndex(changed, { segment, sha256 }))
    if (read === null) return
    attempt('an index that was taken', () => {
      formatSegmentIndex(read, { segment, sha256 })
      recordBetween(read, random.pick([null, read, again]), SEED_SEGMENT_SIZE)
      read.dropped?.includes(1)
      for (const number of [read.oldestXid, read.newestXid])
        must(number === null || Number.isInteger(number), `an id of ${JSON.stringify(number)} was taken`)
      must(read.dropped === null || read.dropped.every(Number.isInteger), 'a list of no numbers was taken')
    })
  },
}

const WORDS = [
  'null',
  '{}',
  '[]',
  '""',
  '-1',
  '1e400',
  '"0/0"',
  '"FFFFFFFF/FFFFFFFF"',
  'true',
  '{"length":1e9,"bytes":""}',
  '"__proto__":',
  '1.5',
]

/** The value of one field replaced, so that it is still JSON. */
function replaced(random: Random, text: string): Buffer {
  const value = JSON.parse(text)
  const name = random.pick(Object.keys(value))
  value[name] = JSON.parse(random.pick(WORDS.filter((word) => !word.includes(':') && word !== '1e400')))
  if (random.onceIn(5)) delete value[name]
  return Buffer.from(JSON.stringify(value))
}
