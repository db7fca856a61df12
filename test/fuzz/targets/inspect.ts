import { createHash } from 'node:crypto'
import { type KeptFile, type KeptWal, listWal, locate } from '../../../src/inspect/index.js'
import { formatSegmentIndex, SegmentIndexer } from '../../../src/records/index.js'
import { type Lsn, parseSegmentFileName } from '../../../src/wal/index.js'
import { type FuzzTarget, judgedAsync } from '../judge.js'
import { mutateBytes, mutateText } from '../mutate.js'
import type { Random } from '../random.js'
import { SEED_SEGMENT_SIZE, WAL_SEEDS, wholeSegment } from '../seeds.js'

/** Lists and searches in WAL that is damaged, with indexes and history files that are not as they were written. */
export const inspectTarget: FuzzTarget = {
  name: 'inspect',
  shortRuns: 40,
  async run(random) {
    const kept = keptWal(random)
    const { signal } = new AbortController()
    await judgedAsync('list', () => listWal(kept, { segments: random.onceIn(2), signal }))
    const number = random.pick([1, 700, 16384, 0xffff_ffff])
    const time = random.pick([0n, 800_000_000_000_000n, 2n ** 63n - 1n])
    for (const query of [
      { kind: 'time', time },
      { kind: 'xid', xid: number },
      { kind: 'lsn', lsn: (WAL_SEEDS[0]!.start + 8232n) as Lsn },
      { kind: 'restore-point', name: 'round 1' },
      { kind: 'drop', number },
      { kind: 'around', time, windowMicros: 60_000_000n },
    ] as const)
      await judgedAsync(`locate ${query.kind}`, () => locate(kept, query, { signal }))
  },
}

function keptWal(random: Random): KeptWal {
  const seed = random.pick(WAL_SEEDS)
  const { segment } = parseSegmentFileName(seed.name, SEED_SEGMENT_SIZE)!
  const original = wholeSegment(seed)
  const sha256 = createHash('sha256').update(original).digest('hex')
  const indexer = new SegmentIndexer({ segmentSize: SEED_SEGMENT_SIZE, timeline: 1 })
  indexer.push(seed.start, original)
  const index = indexer.finish()
  const bytes = Buffer.from(original)
  for (let changes = random.below(4); changes > 0; changes--) {
    const at = random.below(seed.bytes.length - 64)
    mutateBytes(random, bytes.subarray(at, at + 48)).copy(bytes, at, 0, 48)
  }
  const files: KeptFile[] = [
    { name: seed.name, timeline: 1, segment, kind: random.pick(['segment', 'segment', 'partial', 'tail']) },
  ]
  if (random.onceIn(3)) files.push({ ...files[0]!, timeline: 2, segment: segment + BigInt(random.below(3)) })
  const history = mutateText(random, '1\t0/3000110\tno recovery target specified\n', [
    '\t',
    '0/0',
    '9999999999',
  ])
  return {
    name: 'hostile',
    inventory: async () => ({ segmentSize: SEED_SEGMENT_SIZE, systemIdentifier: 1n, files, gaps: [] }),
    read: async () =>
      random.onceIn(20) ? null : random.onceIn(20) ? bytes.subarray(0, random.below(bytes.length)) : bytes,
    async readIndex(file) {
      if (index === null || random.onceIn(3)) return null
      const written = formatSegmentIndex(index, { segment: file.name, sha256 }).toString()
      const value = JSON.parse(written)
      if (random.onceIn(2))
        value[random.pick(Object.keys(value))] = random.pick([
          null,
          0,
          -1,
          '',
          'x',
          [],
          {},
          [null],
          1e300,
          true,
        ])
      return { content: Buffer.from(JSON.stringify(value)), segmentSha256: sha256 }
    },
    readHistory: async () => (random.onceIn(2) ? null : Buffer.from(history)),
  }
}
