import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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

const HISTORY = '1\t0/301000\tno recovery target specified\n'
const SWITCH = at(3, 0x1000)

function cutAt(segment: number, offset: number): Buffer {
  const cut = Buffer.alloc(SEGMENT_SIZE)
  walOf(segment).copy(cut, 0, 0, offset)
  return cut
}

describe('leaving a timeline', () => {
  it('sends history first, the left segment cut at the switch, and covers the new timeline', async () => {
    receiver.start(2)
    const t = trial({ beginsAt: 2, ack: 'archived' }).start()
    await receiver.write(at(3, 0x1800))
    t.archiver.nudge()
    await t.untilArchived(at(3, 0x1800))
    receiver.stop()
    t.archiver.leaveTimeline({ timeline: 1, switchLsn: SWITCH })
    await receiver.placeHistory(2, HISTORY)
    receiver.start(3, 2)
    await receiver.write(at(5, 10))
    t.archiver.nudge()
    await t.until(() => t.archiver.snapshot.timeline === 2)
    await t.untilArchived(at(5, 10))
    await t.until(() => t.eventsOf('partial-archived').length === 1)
    const partial = t.archive.segments.get(`${nameAt(3)}.partial`)!
    expect(partial.equals(cutAt(3, 0x1000))).toBe(true)
    const { log } = t.archive
    expect(log.indexOf('putHistory 2')).toBeLessThan(log.indexOf(`putSegment ${nameAt(3, 2)}`))
    // The old timeline's tail goes only when the new one's whole segment is in.
    await t.until(() => t.archive.partsOf(1, 3n).length === 0)
    expect(log.indexOf(`putSegment ${nameAt(3, 2)}`)).toBeLessThan(log.indexOf('deleteTail 1/3'))
  })

  it('does not pass the switch while an older timeline lacks a segment', async () => {
    await receiver.place([1, 2])
    await receiver.place([3, 4], 2)
    await receiver.placeHistory(2, HISTORY)
    receiver.start(5, 2)
    const archive = new MemoryArchive()
    archive.onCall = (operation, what) =>
      operation === 'putSegment' && what === nameAt(2) ? 'fail' : undefined
    const t = trial({ archive, beginsAt: 1 }).start()
    await t.until(() => archive.segments.size === 3)
    expect(t.archiver.archived).toBe(at(2))
    archive.onCall = () => undefined
    await t.untilArchived(at(5))
  })

  it('does not pass the switch while the history is missing', async () => {
    await receiver.place([2])
    receiver.start(3, 2)
    const t = trial({ beginsAt: 2, tailIntervalMs: 0 }).start()
    await receiver.write(at(5))
    await t.until(() => t.archive.segments.size === 3)
    await t.until(() => t.eventsOf('history-missing').length === 1)
    expect(t.archiver.archived).toBe(at(3))
    await receiver.placeHistory(2, HISTORY)
    await t.untilArchived(at(5))
  })

  it('takes the history of the archive when the directory has none', async () => {
    receiver.start(3, 2)
    const archive = new MemoryArchive()
    archive.histories.set(2, Buffer.from(HISTORY))
    const t = trial({ archive, beginsAt: 3 }).start()
    await receiver.write(at(4, 5))
    await t.untilArchived(at(4, 5))
    expect(t.eventsOf('history-missing')).toEqual([])
  })

  it('finds a partial that was left before a crash, and sends it once', async () => {
    await receiver.placePartial(3, 0x1000)
    await receiver.place([3], 2)
    await receiver.placeHistory(2, HISTORY)
    const first = trial({ beginsAt: 3 }).start()
    await first.until(() => first.eventsOf('partial-archived').length === 1)
    await first.untilArchived(at(4))
    await first.stop()
    const { archive } = first
    expect(archive.segments.get(`${nameAt(3)}.partial`)!.equals(cutAt(3, 0x1000))).toBe(true)
    const puts = archive.calls.get('putSegment')
    const second = trial({ archive, beginsAt: 3 }).start()
    await second.untilArchived(at(4))
    await second.stop()
    expect(archive.calls.get('putSegment')).toBe(puts)
  })

  it('leaves a partial alone whose rest may still come', async () => {
    await receiver.placePartial(3, 0x800)
    await receiver.placeHistory(2, HISTORY)
    const t = trial({ beginsAt: 3 }).start()
    await t.untilArchived(at(3, 0x800))
    await t.stop()
    expect(t.archive.segments.size).toBe(0)
  })

  it('needs no partial when it was left between two segments', async () => {
    receiver.start(2)
    const t = trial({ beginsAt: 2 }).start()
    await receiver.write(at(3))
    t.archiver.leaveTimeline({ timeline: 1, switchLsn: at(3) })
    await receiver.placeHistory(2, '1\t0/300000\treason\n')
    receiver.start(3, 2)
    await receiver.write(at(4))
    await t.untilArchived(at(4))
    expect([...t.archive.segments.keys()].sort()).toEqual([nameAt(2), nameAt(3, 2)])
  })

  it('does not wait for segments of an older timeline that the new one does not descend from', async () => {
    await receiver.place([1, 2, 3, 4])
    await receiver.place([2], 2)
    await receiver.placeHistory(2, '1\t0/200100\treason\n')
    receiver.start(3, 2)
    const archive = new MemoryArchive()
    archive.segments.set(nameAt(3), Buffer.alloc(SEGMENT_SIZE))
    const t = trial({ archive, beginsAt: 1 }).start()
    await receiver.write(at(4, 7))
    await t.untilArchived(at(4, 7))
    await t.until(() => t.eventsOf('segment-conflict').length === 1)
  })

  it('sees after a restart what lies between a segment that is stuck and the newest, on whatever timeline', async () => {
    await receiver.place([2])
    await receiver.place([8], 3)
    await receiver.placeHistory(2, HISTORY)
    await receiver.placeHistory(3, `${HISTORY}2\t0/601000\treason\n`)
    const archive = new MemoryArchive()
    for (const segment of [3, 4, 5]) archive.segments.set(nameAt(segment, 2), walOf(segment, 2))
    for (const segment of [6, 7]) archive.segments.set(nameAt(segment, 3), walOf(segment, 3))
    archive.onCall = (operation, what) =>
      operation === 'putSegment' && what === nameAt(2) ? 'fail' : undefined
    const t = trial({ archive, beginsAt: 2 }).start()
    await t.until(() => archive.segments.has(nameAt(8, 3)))
    expect(t.archiver.archived).toBeLessThanOrEqual(at(2))
    archive.onCall = () => undefined
    await t.untilArchived(at(9))
    expect(t.eventsOf('coverage-gap')).toEqual([])
  })
})
