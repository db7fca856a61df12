import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasZstd, type StoreAlgorithm } from '../../../src/codec/index.js'
import { restoreFile } from '../../../src/restore/index.js'
import { type ObjectInfo, openStore, WalArchive } from '../../../src/store/index.js'
import { parseLongPageHeader, segmentNumber } from '../../../src/wal/index.js'
import { HostileStore } from '../hostile-store.js'
import { type FuzzTarget, judgedAsync, must } from '../judge.js'
import { mutateBytes, mutateText } from '../mutate.js'
import type { Random } from '../random.js'
import { SEED_SEGMENT_SIZE, WAL_SEEDS, wholeSegment } from '../seeds.js'

const ALGORITHMS: readonly StoreAlgorithm[] = hasZstd()
  ? ['none', 'gzip', 'lz4', 'zstd']
  : ['none', 'gzip', 'lz4']
const HISTORY = Buffer.from('1\t0/3000110\tno recovery target specified\n')
const LIES = [
  '0',
  '1',
  '-1',
  '9999999999',
  '1000000000000000',
  '1e9',
  '',
  ' ',
  'none',
  'zstd',
  'lz4',
  'evil',
  '__proto__',
  'f'.repeat(64),
  '7000000000000000001',
]
const KEYS = [
  'wal/',
  '../../etc/passwd',
  'wal/00000001/../x',
  'wal/00000001/000000010000000000000009',
  'tail/00000001/000000010000000000000009/00000000-FFFFFFFF',
  'gaps/00000001-0000000000000000-FFFFFFFFFFFFFFFF.json',
  'history/FFFFFFFF.history',
  'history/00000000.history',
  'wal/FFFFFFFF/FFFFFFFFFFFFFFFFFFFFFFFF',
  'wal/00000001/0000000100000000000000FF.lz4.gz',
  '__proto__',
  'wal/00000001/FFFFFFFFFFFFFFFFFFFFFFFF',
  'tail/00000001/00000001FFFFFFFFFFFFFFFF/00000000-00000010',
]

/**
 * An archive in which some objects are not what was stored: body, metadata, or both, keys that are none of ours, the
 * body of another object. What is restored is what was stored, or there is an error; "missing" is never said of what
 * is there.
 */
export const archiveTarget: FuzzTarget = {
  name: 'archive',
  shortRuns: 80,
  async run(random) {
    const seed = random.pick(WAL_SEEDS)
    const raw = wholeSegment(seed)
    const identity = {
      systemIdentifier: String(parseLongPageHeader(raw)!.systemIdentifier),
      segmentSize: SEED_SEGMENT_SIZE,
      layoutVersion: 1 as const,
    }
    const store = new HostileStore()
    const compression = { algorithm: random.pick(ALGORITHMS), level: undefined }
    const archive = await WalArchive.open(store, { compression, identity })
    await archive.putSegment(seed.name, raw)
    await archive.putHistory(2, HISTORY)
    const segment = segmentNumber(seed.start, SEED_SEGMENT_SIZE)
    const part = { timeline: seed.timeline, segment: segment + 1n, from: 0, to: 8192 }
    await archive.putTailPart(part, raw.subarray(0, 8192))

    for (let changes = 1 + random.below(2); changes > 0; changes--) spoil(random, store)
    for (let count = random.below(3); count > 0; count--)
      store.listed.push({ key: random.pick(KEYS), size: random.pick([0, -1, 1e15, Number.NaN]) })

    const opened = await judgedAsync('open', () => WalArchive.open(store, { compression, readOnly: true }))
    if ('error' in opened) return
    const looked = opened.value
    const got = await judgedAsync('getSegment', () => looked.getSegment(seed.name))
    if ('value' in got && got.value !== null) must(got.value.equals(raw), 'a wrong segment was given')
    const isThere = [...store.objects.keys()].some((key) => key.startsWith(`wal/00000001/${seed.name}`))
    if (isThere && 'value' in got) must(got.value !== null, 'a segment that is there was called missing')
    for (const [what, ask] of Object.entries({
      getHistory: () => looked.getHistory(2),
      inventory: () => looked.inventory(),
      findEnd: () => looked.findEnd(),
      listGaps: () => looked.listGaps(),
      readTailPart: () => looked.readTailPart(part),
      getIndex: () => looked.getIndex(seed.name, 1),
      compare: () => archive.putSegment(seed.name, raw),
    }))
      await judgedAsync<unknown>(what, ask)
    await restored(looked, seed.name, raw)
  },
}

async function restored(archive: WalArchive, name: string, raw: Buffer): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'walship-fuzz-'))
  try {
    const target = join(folder, 'RECOVERYXLOG')
    const request = { name, target, archive, workingDirectory: folder, cacheDirectory: null }
    const answer = await judgedAsync('restoreFile', () => restoreFile(request))
    const written = await readFile(target).catch(() => null)
    if (written === null) return
    must('value' in answer && answer.value === 'restored', 'a file was written, and it was not said')
    must(written.equals(raw), 'wrong bytes were written')
  } finally {
    await rm(folder, { recursive: true })
  }
}

function spoil(random: Random, store: HostileStore): void {
  const keys = [...store.objects.keys()]
  const object = store.objects.get(random.pick(keys))!
  switch (random.below(4)) {
    case 0:
      object.body =
        object.body.length < 1000 && random.onceIn(2)
          ? Buffer.from(
              mutateText(random, object.body.toString(), ['null', '{}', '[]', '"', '1', ':', ',', '1e400']),
            )
          : mutateBytes(random, object.body)
      break
    case 1: {
      const name = random.pick(Object.keys(object.metadata).concat('sha256'))
      object.metadata[name] = random.pick(LIES)
      break
    }
    case 2: {
      const other = store.objects.get(random.pick(keys))!
      object.body = other.body
      if (random.onceIn(2)) object.metadata = other.metadata
      break
    }
    default:
      delete object.metadata[random.pick(Object.keys(object.metadata).concat(''))]
  }
}

/** A store in a directory whose files are not as they were written. */
export const fileStoreTarget: FuzzTarget = {
  name: 'filestore',
  shortRuns: 12,
  async run(random) {
    const folder = await mkdtemp(join(tmpdir(), 'walship-fuzz-'))
    try {
      const options = { environment: {} }
      const store = await openStore(`file://${folder}`, options)
      await store.put('wal/x', Buffer.from('one'), { kind: 'wal', ifAbsent: true, metadata: { sha256: 'a' } })
      const all = await readdir(folder, { recursive: true, withFileTypes: true })
      for (const entry of all) {
        if (!entry.isFile() || random.onceIn(2)) continue
        const path = join(entry.parentPath, entry.name)
        const text = await readFile(path, 'utf8')
        await writeFile(
          path,
          mutateText(random, text, ['null', '[]', '{}', '"metadata"', ':', '1', '"__proto__"']),
        )
      }
      for (const ask of [async () => (await store.get('wal/x'))?.info, () => store.head('wal/x')]) {
        const got = await judgedAsync<ObjectInfo | null | undefined>('the file store', ask)
        if ('value' in got && got.value != null) {
          const { metadata } = got.value
          must(
            Object.values(metadata).every((value) => typeof value === 'string'),
            'metadata are no texts',
          )
        }
      }
      await store.close()
    } finally {
      await rm(folder, { recursive: true })
    }
  },
}
