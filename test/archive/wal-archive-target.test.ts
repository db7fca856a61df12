import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ArchiveEvent, Archiver, type ArchiverOptions } from '../../src/archive/index.js'
import { MemoryStore, type ObjectStore, openStore, WalArchive } from '../../src/store/index.js'
import { FaultyStore } from '../store/faulty-store.js'
import { at, FakeReceiver, nameAt, SEGMENT_SIZE, walOf } from './fake-receiver.js'

const IDENTITY = {
  systemIdentifier: '7000000000000000001',
  segmentSize: SEGMENT_SIZE,
  layoutVersion: 1,
} as const

let receiver: FakeReceiver
let folder: string
const running: { stop: AbortController; run: Promise<void> }[] = []

beforeEach(async () => {
  receiver = await FakeReceiver.create()
  folder = await mkdtemp(join(tmpdir(), 'walship-store-'))
})

afterEach(async () => {
  for (const { stop, run } of running.splice(0)) {
    stop.abort()
    await run
  }
  await receiver.remove()
  await rm(folder, { recursive: true, force: true })
})

async function archiveTo(
  store: ObjectStore,
  ack: 'flushed' | 'archived',
  more: Partial<ArchiverOptions> = {},
) {
  const archive = await WalArchive.open(store, {
    compression: { algorithm: 'lz4', level: undefined },
    identity: IDENTITY,
  })
  const events: ArchiveEvent[] = []
  const archiver = new Archiver({
    directory: receiver.directory,
    archive,
    segmentSize: SEGMENT_SIZE,
    tailIntervalMs: 5,
    ack,
    keepLocal: { segments: 1 },
    live: () => receiver.live(),
    onArchived: () => {},
    onEvent: (event) => events.push(event),
    backoff: { initialMs: 1, maxMs: 5 },
    lookIntervalMs: 20,
    ...more,
  })
  const stop = new AbortController()
  const run = archiver.run(stop.signal)
  running.push({ stop, run })
  return { archive, archiver, events, stop, run }
}

async function restored(archive: WalArchive, segment: number): Promise<Buffer> {
  const whole = await archive.getSegment(nameAt(segment))
  if (whole !== null) return whole
  let joined = Buffer.alloc(0)
  for (const part of await archive.listTailParts(1, BigInt(segment))) {
    if (part.from > joined.length || part.to <= joined.length) continue
    const raw = await archive.readTailPart(part)
    joined = Buffer.concat([joined, raw.subarray(joined.length - part.from)])
  }
  return joined
}

describe.each(['memory', 'file'])('a WalArchive on a %s store', (kind) => {
  const open = async () => (kind === 'memory' ? new MemoryStore() : await openStore(`file://${folder}`))

  it('gets everything back from the archive, and only the newest segment stays', async () => {
    const store = await open()
    await receiver.place([3, 4, 5])
    await receiver.placeHistory(2, '1\t0/900000\treason\n')
    receiver.start(6)
    const { archive, archiver } = await archiveTo(store, 'archived')
    for (const name of await receiver.write(at(7, 70_001))) archiver.nudge(name)
    await archiver.flush(AbortSignal.timeout(30_000))
    expect(archiver.archived).toBe(at(7, 70_001))
    for (const segment of [3, 4, 5, 6])
      expect((await restored(archive, segment)).equals(walOf(segment))).toBe(true)
    expect((await restored(archive, 7)).equals(walOf(7).subarray(0, 70_001))).toBe(true)
    expect((await archive.getHistory(2))?.toString()).toContain('0/900000')
    expect(await archive.findEnd()).toMatchObject({ timeline: 1, lsn: at(7, 70_001) })
    const left = ['00000002.history', nameAt(6), `${nameAt(7)}.partial`].sort()
    await vi.waitFor(async () => expect(await receiver.names()).toEqual(left), 10_000)
    await store.close()
  })

  it('comes through faults of every kind, and a restart', async () => {
    const store = new FaultyStore(await open())
    await receiver.place([1, 2, 3])
    receiver.start(4)
    const first = await archiveTo(store, 'archived')
    for (const verb of ['put', 'head', 'list', 'get', 'delete'] as const) {
      store.plan({ verb, fault: { kind: 'lose' }, times: 2 })
      store.plan({ verb, fault: { kind: 'fail' }, times: 3 })
    }
    await receiver.write(at(4, 1234))
    first.archiver.nudge()
    await first.archiver.flush(AbortSignal.timeout(30_000))
    expect(first.archiver.archived).toBe(at(4, 1234))
    first.stop.abort()
    await first.run
    store.heal()
    receiver.start(4)
    await receiver.write(at(5, 99))
    const second = await archiveTo(store, 'flushed')
    store.goDown()
    await new Promise((resolve) => setImmediate(resolve))
    store.heal()
    await second.archiver.flush(AbortSignal.timeout(30_000))
    expect(second.archiver.archived).toBe(at(5, 99))
    for (const segment of [1, 2, 3, 4])
      expect((await restored(second.archive, segment)).equals(walOf(segment))).toBe(true)
    await store.close()
  })
})

it('archives everything, and rightly, although its thread for packing ends again and again', async () => {
  const segments = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
  await receiver.place(segments)
  receiver.start(13)
  const module = new URL('../codec/content-reader.mjs', import.meta.url).href
  const source = { module, settings: 'ends the thread' }
  const readingOf = (name: string) =>
    ['4', '7', '8', 'B'].includes(name.at(-1)!) ? { source, onStored: () => {} } : undefined
  const { archive, archiver } = await archiveTo(new MemoryStore(), 'flushed', { readingOf, keepLocal: null })
  await vi.waitUntil(() => archiver.snapshot.pendingSegments === 0 && archiver.archived >= at(13, 0), 20_000)
  for (const segment of segments)
    expect((await archive.getSegment(nameAt(segment)))?.equals(walOf(segment))).toBe(true)
})

describe('a file of a segment that does not begin as WAL does', () => {
  async function archiveThree(notWal: 'mark' | 'refuse') {
    await receiver.place([3, 4, 5])
    await writeFile(join(receiver.directory, nameAt(4)), Buffer.alloc(SEGMENT_SIZE, 'no WAL'))
    const store = new MemoryStore()
    const more = { notWal, keepLocal: null }
    const trial = await archiveTo(store, 'flushed', more)
    const archived = (segment: number) => store.head(`wal/00000001/${nameAt(segment)}.lz4`)
    const told = (kind: string) => trial.events.filter((event) => event.kind === kind)
    return { ...trial, archived, told }
  }

  it('is archived with a mark, and told once', async () => {
    const { archiver, archived, told } = await archiveThree('mark')
    await vi.waitUntil(() => archiver.archived === at(6), 10_000)
    expect((await archived(4))?.metadata['wal-check']).toBe('page 0/400000')
    expect((await archived(3))?.metadata['wal-check']).toBeUndefined()
    expect(told('segment-not-wal')).toMatchObject([{ name: nameAt(4) }])
  })

  it('is refused, and the others go on', async () => {
    const { archiver, archived, told } = await archiveThree('refuse')
    await vi.waitUntil(
      () => told('segment-archived').length === 2 && told('segment-failing').length > 0,
      10_000,
    )
    expect(await archived(4)).toBeNull()
    expect(archiver.archived).toBe(at(4))
    expect(told('segment-failing')).toMatchObject([
      { name: nameAt(4), error: { code: 'ARCHIVE_LOCAL_FILE_NOT_WAL' } },
    ])
    // Brought back as it was received, it goes.
    await writeFile(join(receiver.directory, nameAt(4)), walOf(4))
    await vi.waitUntil(() => archiver.archived === at(6), 10_000)
  })
})
