import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { contentOf } from '../../src/codec/index.js'
import { lsnAdd } from '../../src/wal/index.js'
import { ArchiverTrial } from './archiver-trial.js'
import { at, FakeReceiver, nameAt, SEGMENT_SIZE, walOf } from './fake-receiver.js'
import { MemoryArchive } from './memory-archive.js'

let receiver: FakeReceiver
const trials: ArchiverTrial[] = []

beforeEach(async () => {
  receiver = await FakeReceiver.create()
})

afterEach(async () => {
  const over = trials.splice(0)
  await Promise.all(over.map((trial) => trial.stop()))
  await receiver.remove()
  for (const trial of over) expect(trial.broken).toEqual([])
})

function trial(options: ConstructorParameters<typeof ArchiverTrial>[1] = {}): ArchiverTrial {
  const made = new ArchiverTrial(receiver, options)
  trials.push(made)
  return made
}

function gate(): { open(): void; opened: Promise<void> } {
  let open!: () => void
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

describe('the live tail', () => {
  it('sends each byte once, and nothing when nothing is new', async () => {
    receiver.start(3)
    const t = trial({ beginsAt: 3 }).start()
    for (const offset of [1000, 5000, 5001, 40_000]) {
      await receiver.write(at(3, offset))
      await t.untilArchived(at(3, offset))
    }
    const puts = t.archive.calls.get('putTailPart')
    // Some ticks later, which the flush's looks bring about.
    for (let count = 0; count < 3; count += 1) await t.archiver.flush(new AbortController().signal)
    expect(t.archive.calls.get('putTailPart')).toBe(puts)
    expect(t.eventsOf('tail-archived')).toHaveLength(puts!)
    expect(t.archive.bytesReceived).toBe(40_000)
    expect(t.archive.joinedTail(1, 3n).equals(walOf(3).subarray(0, 40_000))).toBe(true)
  })

  it('goes when the segment is in', async () => {
    receiver.start(3)
    const t = trial({ beginsAt: 3 }).start()
    await receiver.write(at(3, 1000))
    await t.untilArchived(at(3, 1000))
    for (const name of await receiver.write(at(4, 10))) t.archiver.nudge(name)
    await t.untilArchived(at(4, 10))
    await t.until(() => t.archive.partsOf(1, 3n).length === 0)
    expect(t.archive.log.indexOf(`putSegment ${nameAt(3)}`)).toBeLessThan(
      t.archive.log.indexOf('deleteTail 1/3'),
    )
  })

  it('is not sent when it is turned off', async () => {
    receiver.start(3)
    const t = trial({ beginsAt: 3, tailIntervalMs: 0 }).start()
    await receiver.write(at(4, 1000))
    await t.untilArchived(at(4))
    const over = new AbortController()
    await t.archiver.flush(over.signal)
    expect(t.archive.calls.get('putTailPart')).toBeUndefined()
  })

  it('waits while many finished segments wait', async () => {
    await receiver.place([1, 2, 3, 4, 5, 6])
    receiver.start(7)
    await receiver.write(at(7, 100))
    const archive = new MemoryArchive()
    const held = gate()
    archive.onCall = async (operation) => {
      if (operation === 'putSegment') await held.opened
      return undefined
    }
    const t = trial({ archive, beginsAt: 1, uploads: 2 }).start()
    await t.until(() => (archive.calls.get('putSegment') ?? 0) === 2)
    expect(archive.calls.get('putTailPart')).toBeUndefined()
    held.open()
    await t.untilArchived(at(7, 100))
  })

  it('is merged when parts grow many, the joined part written before the small ones go', async () => {
    receiver.start(3)
    const t = trial({ beginsAt: 3, ack: 'archived' }).start()
    const archive = t.archive
    for (let count = 1; count <= 1100; count += 1) {
      await receiver.write(at(3, count * 16))
      t.archiver.nudge()
      await t.untilArchived(at(3, count * 16))
    }
    await t.until(() => t.eventsOf('tail-merged').length >= 30)
    await t.until(() => archive.partsOf(1, 3n).length < 96)
    expect(archive.joinedTail(1, 3n).equals(walOf(3).subarray(0, 1100 * 16))).toBe(true)
    // Each byte once as itself and once per generation, not once per merge.
    expect(archive.bytesReceived).toBeLessThanOrEqual(3 * 1100 * 16)
    const merges = t.eventsOf('tail-merged')
    expect(merges.some(({ from, to }) => to - from > 32n * 16n)).toBe(true)
  })

  it('goes on from what an earlier run has sent, after comparing it', async () => {
    receiver.start(3)
    const first = trial({ beginsAt: 3 }).start()
    await receiver.write(at(3, 30_000))
    await first.untilArchived(at(3, 30_000))
    await first.stop()
    const { archive } = first
    const { bytesReceived } = archive
    const second = trial({ archive, beginsAt: 3 })
    receiver.start(3)
    await receiver.write(at(3, 29_999))
    second.start()
    await second.until(() => (archive.calls.get('listTailParts') ?? 0) > 1)
    expect(second.archiver.archived).toBeLessThan(at(3, 30_000))
    await receiver.write(at(3, 31_000))
    await second.untilArchived(at(3, 31_000))
    expect(archive.bytesReceived).toBe(bytesReceived + 1000)
  })

  it('does not claim or overwrite a tail of other bytes, and archives the segment all the same', async () => {
    receiver.start(3)
    const archive = new MemoryArchive()
    await archive.putTailPart({ timeline: 1, segment: 3n, from: 0, to: 100 }, contentOf(Buffer.alloc(100, 9)))
    const t = trial({ archive, beginsAt: 3 }).start()
    await receiver.write(at(3, 5000))
    await t.until(() => t.eventsOf('segment-conflict').length === 1)
    const reads = archive.calls.get('readTailPart')!
    await t.until(() => archive.calls.get('readTailPart')! > reads + 1, 'another look')
    expect(t.archiver.archived).toBe(at(3))
    expect(t.eventsOf('segment-conflict')).toHaveLength(1)
    await receiver.write(at(4, 10))
    await t.untilArchived(at(4, 10))
    expect(archive.partsOf(1, 3n)).toMatchObject([{ from: 0, to: 100 }])
  })

  it('keeps parts that another receiver has cut differently, and fills what is missing between them', async () => {
    receiver.start(3)
    const archive = new MemoryArchive()
    const put = (from: number, to: number) =>
      archive.putTailPart({ timeline: 1, segment: 3n, from, to }, contentOf(walOf(3).subarray(from, to)))
    await put(0, 100)
    await put(50, 200)
    await put(300, 400)
    const t = trial({ archive, beginsAt: 3 }).start()
    await receiver.write(at(3, 500))
    await t.untilArchived(at(3, 500))
    expect(archive.joinedTail(1, 3n).equals(walOf(3).subarray(0, 500))).toBe(true)
  })

  it('lists anew when a part it has seen was merged away', async () => {
    receiver.start(3)
    const archive = new MemoryArchive()
    const put = (from: number, to: number) =>
      archive.putTailPart({ timeline: 1, segment: 3n, from, to }, contentOf(walOf(3).subarray(from, to)))
    await put(0, 100)
    await put(100, 200)
    archive.onCall = async (operation) => {
      if (operation !== 'readTailPart') return undefined
      archive.onCall = () => undefined
      await put(0, 200)
      await archive.deleteTailParts([
        { timeline: 1, segment: 3n, from: 0, to: 100 },
        { timeline: 1, segment: 3n, from: 100, to: 200 },
      ])
      return undefined
    }
    const t = trial({ archive, beginsAt: 3 }).start()
    await receiver.write(at(3, 300))
    await t.untilArchived(at(3, 300))
    expect(archive.joinedTail(1, 3n).equals(walOf(3).subarray(0, 300))).toBe(true)
  })

  it('removes what a killed run has left of segments that are in', async () => {
    await receiver.place([1, 2])
    const first = trial({ beginsAt: 1 }).start()
    await first.untilArchived(at(3))
    await first.stop()
    const { archive } = first
    await archive.putTailPart(
      { timeline: 1, segment: 2n, from: 0, to: 10 },
      contentOf(walOf(2).subarray(0, 10)),
    )
    const second = trial({ archive, beginsAt: 1 }).start()
    await second.until(() => archive.partsOf(1, 2n).length === 0)
  })
})

describe('a partial that nobody is writing', () => {
  it('is sent up to where it surely is WAL', async () => {
    await receiver.place([2])
    await receiver.placePartial(3, 123_456)
    const t = trial({ beginsAt: 2 }).start()
    await t.untilArchived(at(3, 123_456))
    expect(t.archiver.archived).toBe(at(3, 123_456))
  })

  it('is sent to its end when the server goes away', async () => {
    receiver.start(3)
    const t = trial({ beginsAt: 3, tailIntervalMs: 3_600_000 }).start()
    await receiver.write(at(3, 77_777))
    receiver.stop()
    const never = new AbortController()
    await t.archiver.flush(never.signal)
    expect(t.archiver.archived).toBe(at(3, 77_777))
  })

  it('never sends what a new writer has not written yet', async () => {
    receiver.start(3)
    await receiver.write(at(3, 9000))
    const archive = new MemoryArchive()
    archive.down = true
    const t = trial({ archive, beginsAt: 3, ack: 'archived' }).start()
    await t.until(() => t.archiver.snapshot.failures > 3)
    // The file was hidden and is gone with its writer; the next one begins anew.
    await rm(join(receiver.directory, `${nameAt(3)}.partial`))
    receiver.start(3)
    await receiver.write(at(3, 500))
    archive.down = false
    await t.untilArchived(at(3, 500))
    receiver.stop()
    receiver.start(3)
    await receiver.write(at(3, 10_000))
    await t.untilArchived(at(3, 10_000))
    expect(archive.joinedTail(1, 3n).equals(walOf(3).subarray(0, archive.joinedTail(1, 3n).length))).toBe(
      true,
    )
  })
})

describe('a takeover behind what another receiver has archived', () => {
  /** Our own partial is of before; the other one has completed the segment. */
  async function leftBehind(archive: MemoryArchive): Promise<ArchiverTrial> {
    await receiver.place([2])
    await receiver.placePartial(3, 2 * 8192)
    const part = (from: number, to: number) =>
      archive.putTailPart({ timeline: 1, segment: 3n, from, to }, contentOf(walOf(3).subarray(from, to)))
    await part(0, 8192)
    const t = trial({ archive, beginsAt: 2, ack: 'archived' }).start()
    await t.untilArchived(at(3, 2 * 8192))
    await part(2 * 8192, SEGMENT_SIZE)
    return t
  }

  function expectNothingOfIt(t: ArchiverTrial): void {
    for (const kind of ['coverage-gap', 'segment-conflict', 'warning'] as const)
      expect(t.eventsOf(kind)).toEqual([])
  }

  it('goes on behind one that is there in parts only, and sends nothing of the old partial', async () => {
    const archive = new MemoryArchive()
    const t = await leftBehind(archive)
    receiver.start(4)
    await receiver.write(at(4, 5000))
    await t.untilArchived(at(4, 5000))
    expectNothingOfIt(t)
    expect(archive.joinedTail(1, 3n).equals(walOf(3))).toBe(true)
  })

  it('goes on behind one that is there as a whole', async () => {
    const archive = new MemoryArchive()
    const t = await leftBehind(archive)
    await archive.putSegment(nameAt(3), contentOf(walOf(3)))
    await archive.deleteTail(1, 3n)
    receiver.start(4)
    await receiver.write(at(4, 5000))
    await t.untilArchived(at(4, 5000))
    expectNothingOfIt(t)
    expect(archive.joinedTail(1, 3n)).toHaveLength(0)
  })
})

describe('ack archived', () => {
  it('sends at once, several parts at a time, all that came meanwhile as the next, acknowledged in order', async () => {
    receiver.start(3)
    const archive = new MemoryArchive()
    const gates = new Map<string, ReturnType<typeof gate>>()
    archive.onCall = async (operation, what) => {
      if (operation !== 'putTailPart') return undefined
      const held = gate()
      gates.set(what, held)
      await held.opened
      return undefined
    }
    const t = trial({ archive, beginsAt: 3, ack: 'archived', tailIntervalMs: 3_600_000 }).start()
    await t.until(() => t.archiver.snapshot.timeline === 1)
    const write = async (offset: number) => {
      await receiver.write(at(3, offset))
      t.archiver.nudge()
    }
    await write(100)
    await t.until(() => gates.has('1/3/0-100'))
    await write(200)
    await t.until(() => gates.has('1/3/100-200'))
    await write(300)
    await t.until(() => gates.has('1/3/200-300'))
    await write(400)
    await write(500)
    await write(600)
    expect(gates.size).toBe(3)
    gates.get('1/3/100-200')!.open()
    await t.until(() => gates.has('1/3/300-600'))
    expect(t.archiver.archived).toBe(at(3))
    gates.get('1/3/0-100')!.open()
    await t.untilArchived(at(3, 200))
    expect(t.archiver.archived).toBe(at(3, 200))
    gates.get('1/3/300-600')!.open()
    gates.get('1/3/200-300')!.open()
    await t.untilArchived(at(3, 600))
  })

  it('passes a segment by its parts before the whole is in', async () => {
    receiver.start(3)
    const archive = new MemoryArchive()
    const held = gate()
    archive.onCall = async (operation) => {
      if (operation === 'putSegment') await held.opened
      return undefined
    }
    const t = trial({ archive, beginsAt: 3, ack: 'archived' }).start()
    await receiver.write(at(3, 1000))
    t.archiver.nudge()
    await t.untilArchived(at(3, 1000))
    for (const name of await receiver.write(at(4, 50))) t.archiver.nudge(name)
    t.archiver.nudge()
    await t.untilArchived(at(4, 50))
    expect(archive.segments.size).toBe(0)
    held.open()
    await t.until(() => archive.segments.size === 1 && archive.partsOf(1, 3n).length === 0)
    expect(t.archiver.archived).toBe(at(4, 50))
  })

  it('reads a file whatever it is called by now', async () => {
    receiver.start(3)
    await receiver.write(at(3, 1000))
    const visible = join(receiver.directory, `${nameAt(3)}.partial`)
    const hidden = join(receiver.directory, `.walship-${nameAt(3)}.tmp`)
    await rename(visible, hidden)
    let name = `.walship-${nameAt(3)}.tmp`
    const t = trial({
      beginsAt: 3,
      ack: 'archived',
      live: () => {
        const live = receiver.live()
        if (live === null) return null
        // Between the question and the opening the file gets its visible name.
        return { ...live, partialName: name }
      },
    }).start()
    await t.untilArchived(at(3, 1000))
    await rename(hidden, visible)
    name = `${nameAt(3)}.partial`
    await receiver.write(at(3, 2000))
    t.archiver.nudge()
    await t.untilArchived(at(3, 2000))
  })
})

describe('flush', () => {
  it('waits for finished segments and the tail', async () => {
    await receiver.place([1, 2])
    receiver.start(3)
    const t = trial({ beginsAt: 1, tailIntervalMs: 3_600_000 }).start()
    await receiver.write(at(3, 4321))
    await t.archiver.flush(new AbortController().signal)
    expect(t.archiver.archived).toBe(at(3, 4321))
    await receiver.write(lsnAdd(at(3), SEGMENT_SIZE + 17))
    await t.archiver.flush(new AbortController().signal)
    expect(t.archiver.archived).toBe(at(4, 17))
  })

  it('ends when its signal aborts, and when the run is over', async () => {
    receiver.start(3)
    await receiver.write(at(3, 100))
    const archive = new MemoryArchive()
    archive.down = true
    const t = trial({ archive }).start()
    const giveUp = new AbortController()
    const flushed = t.archiver.flush(giveUp.signal)
    await t.until(() => t.archiver.snapshot.failures > 0)
    const aborted = untilAborted(giveUp.signal)
    giveUp.abort()
    await Promise.all([aborted, flushed])
    const second = t.archiver.flush(new AbortController().signal)
    await t.stop()
    await second
  })
})
