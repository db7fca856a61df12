import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ArchiverTrial } from './archiver-trial.js'
import { at, FakeReceiver, MB, nameAt, SEGMENT_SIZE, walOf } from './fake-receiver.js'
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

describe('finished segments', () => {
  it('sends what is in the directory, and what a nudge tells of', async () => {
    await receiver.place([3, 4, 5])
    receiver.start(6)
    const { archive, archiver, ...rest } = trial({ beginsAt: 3, tailIntervalMs: 0 }).start()
    await trials[0]!.untilArchived(at(6))
    for (const name of await receiver.write(at(8))) archiver.nudge(name)
    await trials[0]!.untilArchived(at(8))
    expect([...archive.segments.keys()].sort()).toEqual([3, 4, 5, 6, 7].map((segment) => nameAt(segment)))
    expect(archive.segments.get(nameAt(7))!.equals(walOf(7))).toBe(true)
    expect(rest.events.filter(({ kind }) => kind === 'segment-archived')).toHaveLength(5)
  })

  it('finds a segment that nobody told of', async () => {
    receiver.start(3)
    const t = trial({ beginsAt: 3 }).start()
    await receiver.write(at(5))
    await t.untilArchived(at(5))
  })

  it('sends at most so many at once, the oldest first', async () => {
    await receiver.place([1, 2, 3, 4, 5, 6, 7, 8])
    const archive = new MemoryArchive()
    let running = 0
    let most = 0
    const order: string[] = []
    let allThree!: () => void
    const three = new Promise<void>((resolve) => {
      allThree = resolve
    })
    archive.onCall = async (operation, what) => {
      if (operation !== 'putSegment') return undefined
      order.push(what)
      running += 1
      most = Math.max(most, running)
      if (running === 3) allThree()
      await three
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      return undefined
    }
    await trial({ archive, uploads: 3, beginsAt: 1 }).start().untilArchived(at(9))
    expect(most).toBe(3)
    expect(order.slice(0, 3).sort()).toEqual([1, 2, 3].map((segment) => nameAt(segment)))
    expect(order).toHaveLength(8)
  })

  it('moves archived over a segment only when all before it are in', async () => {
    await receiver.place([1, 2, 3])
    const archive = new MemoryArchive()
    let release!: () => void
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    archive.onCall = async (operation, what) => {
      if (operation === 'putSegment' && what === nameAt(1)) await held
      return undefined
    }
    const t = trial({ archive, beginsAt: 1 }).start()
    await t.until(() => t.eventsOf('segment-archived').length === 2)
    expect(t.archiver.archived).toBe(at(1))
    release()
    await t.untilArchived(at(4))
    expect(t.claims.at(-1)).toEqual({ lsn: at(4), timeline: 1 })
  })

  it('takes what was compressed locally by an earlier run', async () => {
    const { gzipSync } = await import('node:zlib')
    await writeFile(join(receiver.directory, `${nameAt(2)}.gz`), gzipSync(walOf(2)))
    const t = trial({ beginsAt: 2 }).start()
    await t.untilArchived(at(3))
    expect(t.archive.segments.get(nameAt(2))!.equals(walOf(2))).toBe(true)
  })

  it('reports a file of a wrong size once, leaves it alone and goes on with the others', async () => {
    await receiver.place([1, 2, 3])
    await writeFile(join(receiver.directory, nameAt(2)), 'short')
    const t = trial({ beginsAt: 1 }).start()
    await t.until(() => t.eventsOf('segment-archived').length === 2)
    await t.until(() => t.eventsOf('segment-failing').length === 1)
    expect(t.eventsOf('segment-failing')[0]).toMatchObject({
      name: nameAt(2),
      error: { message: `segment file "${nameAt(2)}" has incorrect size 5, skipping` },
    })
    expect(t.archiver.archived).toBe(at(2))
    expect(await readFile(join(receiver.directory, nameAt(2)), 'utf8')).toBe('short')
  })

  it('tells of a hole in the directory and covers what comes after it', async () => {
    await receiver.place([1, 2, 5, 6])
    const t = trial({ beginsAt: 5 }).start()
    await t.untilArchived(at(7))
    expect(t.eventsOf('coverage-gap')).toEqual([
      { kind: 'coverage-gap', timeline: 1, from: at(3), to: at(5) },
    ])
    await t.until(() => t.archive.segments.size === 4)
  })

  it('sees no hole where the archive has what the directory lacks', async () => {
    await receiver.place([1, 4])
    const archive = new MemoryArchive()
    for (const segment of [2, 3]) archive.segments.set(nameAt(segment), walOf(segment))
    const t = trial({ archive, beginsAt: 1 }).start()
    await t.untilArchived(at(5))
    expect(t.eventsOf('coverage-gap')).toEqual([])
  })

  it('never passes a hole that opens while it runs, unless it was accepted', async () => {
    await receiver.place([1, 2])
    receiver.start(3)
    const t = trial({ beginsAt: 1, tailIntervalMs: 0 }).start()
    await t.untilArchived(at(3))
    receiver.start(6)
    await receiver.write(at(8))
    await t.until(() => t.eventsOf('coverage-gap').length === 1)
    await t.until(() => t.archive.segments.has(nameAt(7)))
    expect(t.archiver.archived).toBe(at(3))
    t.beginsAt = 6
    t.archiver.startAfterGap({ timeline: 1, lsn: at(6) })
    await t.untilArchived(at(8))
    expect(t.eventsOf('coverage-gap')).toMatchObject([{ from: at(3), to: at(6) }])
  })
})

describe('conflicts', () => {
  it('stops one file only, tells once, and passes it when it is resolved', async () => {
    await receiver.place([1, 2, 3])
    const archive = new MemoryArchive()
    archive.segments.set(nameAt(2), Buffer.alloc(SEGMENT_SIZE, 1))
    const t = trial({ archive, beginsAt: 1 }).start()
    await t.until(() => t.eventsOf('segment-archived').length === 2)
    const tries = () => archive.calls.get('putSegment') ?? 0
    const before = tries()
    await t.until(() => tries() >= before + 2, 'another try')
    expect(t.eventsOf('segment-conflict')).toHaveLength(1)
    expect(t.archiver.archived).toBe(at(2))
    expect(archive.segments.get(nameAt(2))![0]).toBe(1)
    archive.segments.delete(nameAt(2))
    await t.untilArchived(at(4))
  })

  it('is not forgotten by a restart, nor is the file removed', async () => {
    await receiver.place([1, 2, 3, 4])
    const archive = new MemoryArchive()
    archive.segments.set(nameAt(2), Buffer.alloc(SEGMENT_SIZE, 1))
    for (let run = 0; run < 2; run += 1) {
      const t = trial({ archive, beginsAt: 1, keepLocal: { segments: 1 } }).start()
      await t.until(() => t.eventsOf('segment-conflict').length === 1)
      await t.until(() => t.archive.segments.has(nameAt(4)))
      expect(t.archiver.archived).toBeLessThanOrEqual(at(2))
      await t.stop()
    }
    expect(await receiver.names()).toContain(nameAt(2))
  })

  it('sends neither segment nor tail of a timeline whose history is in conflict', async () => {
    await receiver.place([1])
    receiver.start(4, 2)
    await receiver.place([2, 3], 2)
    await receiver.placeHistory(2, '1\t0/200000\tno reason\n')
    const archive = new MemoryArchive()
    archive.histories.set(2, Buffer.from('1\t0/1F0000\tanother promotion\n'))
    const t = trial({ archive, ack: 'archived' }).start()
    await receiver.write(at(4, 500))
    t.archiver.nudge()
    await t.until(() => t.eventsOf('segment-conflict').length === 1)
    await t.untilArchived(at(2))
    const giveUp = new AbortController()
    const flushed = t.archiver.flush(giveUp.signal)
    const tries = archive.calls.get('putHistory')!
    await t.until(() => archive.calls.get('putHistory')! > tries, 'another try')
    giveUp.abort()
    await flushed
    expect(archive.tails.size).toBe(0)
    expect([...archive.segments.keys()]).toEqual([nameAt(1)])
    expect(t.archiver.archived).toBe(at(2))
  })
})

describe('outages', () => {
  it('goes on for ever, tells one event per state change, and loses nothing', async () => {
    await receiver.place([1, 2, 3, 4, 5, 6])
    const archive = new MemoryArchive()
    archive.down = true
    const t = trial({ archive, beginsAt: 1, uploads: 2 }).start()
    await t.until(() => t.archiver.snapshot.failures > 5, 'failures')
    expect(t.archiver.snapshot).toMatchObject({ pendingSegments: 6, pendingBytes: 6 * MB })
    expect(t.archiver.snapshot.failingSince).not.toBeNull()
    receiver.start(7)
    await receiver.write(at(9))
    archive.down = false
    await t.untilArchived(at(9))
    archive.down = true
    for (const name of await receiver.write(at(10))) t.archiver.nudge(name)
    await t.until(() => t.eventsOf('store-failing').length === 2)
    archive.down = false
    await t.untilArchived(at(10))
    await t.until(() => t.eventsOf('store-recovered').length === 2)
    expect(t.eventsOf('store-failing')).toHaveLength(2)
    expect(t.eventsOf('store-recovered')[0]!.failures).toBeGreaterThan(5)
    expect(t.archiver.snapshot).toMatchObject({
      pendingSegments: 0,
      failingSince: null,
      oldestPendingAt: null,
    })
  })

  it('looks into the directory soon after an outage that held up a look', async () => {
    await receiver.place([1])
    const archive = new MemoryArchive()
    archive.down = true
    const t = trial({ archive, beginsAt: 1, tailIntervalMs: 0 }).start()
    await t.until(() => t.archiver.snapshot.failures > 0)
    const now = Date.now.bind(Date)
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + 3_600_000)
    archive.down = false
    await t.untilArchived(at(2)).finally(() => clock.mockRestore())
    receiver.start(2)
    await receiver.write(at(3))
    await t.untilArchived(at(3))
  })

  it('gets through when every answer is lost once', async () => {
    await receiver.place([1, 2, 3])
    receiver.start(4)
    await receiver.write(at(4, 1000))
    const archive = new MemoryArchive()
    const met = new Set<string>()
    archive.onCall = (operation, what) => {
      const key = `${operation} ${what}`
      if (met.has(key)) return undefined
      met.add(key)
      return 'lose-response'
    }
    const t = trial({ archive, beginsAt: 1, ack: 'archived' }).start()
    await t.untilArchived(at(4, 1000))
  })

  it('lets the others pass when one object alone fails', async () => {
    await receiver.place([1, 2, 3])
    const archive = new MemoryArchive()
    archive.onCall = (operation, what) =>
      operation === 'putSegment' && what === nameAt(1) ? 'fail' : undefined
    const t = trial({ archive, beginsAt: 1, uploads: 1 })
    // With one place the first must give it up: something else has to succeed meanwhile.
    receiver.start(4)
    await receiver.write(at(4, 100))
    t.start()
    await t.until(() => t.eventsOf('segment-archived').length === 2)
    await t.until(() => t.eventsOf('segment-failing').length > 0)
    expect(t.eventsOf('segment-failing')).toMatchObject([{ name: nameAt(1) }])
    expect(t.eventsOf('store-failing').length).toBeLessThanOrEqual(1)
    archive.onCall = () => undefined
    await t.untilArchived(at(4))
  })

  it('goes on when the directory cannot be read for a while', async () => {
    const t = trial().start()
    await rm(receiver.directory, { recursive: true })
    await t.until(() => t.eventsOf('warning').length === 1)
    const { mkdir } = await import('node:fs/promises')
    await mkdir(receiver.directory)
    await receiver.place([2])
    await t.untilArchived(at(3))
    expect(t.eventsOf('warning')).toHaveLength(1)
  })
})

describe('restarts', () => {
  it('sends nothing twice that an earlier run has proved', async () => {
    await receiver.place([1, 2, 3])
    const first = trial({ beginsAt: 1 }).start()
    await first.untilArchived(at(4))
    await first.stop()
    await receiver.place([4])
    const { archive } = first
    const puts = archive.calls.get('putSegment')!
    const second = trial({ archive, beginsAt: 1 }).start()
    await second.untilArchived(at(5))
    expect(archive.calls.get('putSegment')).toBe(puts + 1)
  })

  it('offers a listed name again when no note says that the bytes were compared', async () => {
    await receiver.place([1, 2])
    const archive = new MemoryArchive()
    archive.segments.set(nameAt(1), walOf(1))
    archive.segments.set(nameAt(2), Buffer.alloc(SEGMENT_SIZE, 9))
    const t = trial({ archive, beginsAt: 1 }).start()
    await t.until(() => t.eventsOf('segment-conflict').length === 1)
    await t.untilArchived(at(2))
    expect(t.eventsOf('segment-archived')).toMatchObject([{ name: nameAt(1), outcome: 'already-there' }])
  })

  it('sends again what the archive has lost, but not what its retention has removed', async () => {
    await receiver.place([1, 2, 3, 4])
    const first = trial({ beginsAt: 1 }).start()
    await first.untilArchived(at(5))
    await first.stop()
    const { archive } = first
    archive.segments.delete(nameAt(1))
    archive.segments.delete(nameAt(3))
    const second = trial({ archive, beginsAt: 2 }).start()
    await second.untilArchived(at(5))
    expect([...archive.segments.keys()].sort()).toEqual([2, 3, 4].map((segment) => nameAt(segment)))
  })

  it('resumes at whatever moment it is stopped', async () => {
    const archive = new MemoryArchive()
    for (let run = 0; run < 12; run += 1) {
      receiver.start(1 + run)
      let calls = 0
      const t = trial({ archive, ack: run % 2 === 0 ? 'archived' : 'flushed', beginsAt: 1 })
      archive.onCall = () => {
        calls += 1
        return undefined
      }
      t.start()
      await receiver.write(at(1 + run, 100_000))
      t.archiver.nudge()
      for (const name of await receiver.write(at(2 + run))) t.archiver.nudge(name)
      await t.until(() => calls >= run || t.archiver.archived >= at(2 + run))
      await t.stop()
      receiver.stop()
      expect(t.broken).toEqual([])
    }
    archive.onCall = () => undefined
    await trial({ archive, beginsAt: 1 }).start().untilArchived(at(13))
  })
})

describe('keepLocal', () => {
  it('removes only what is archived, and keeps the newest finished segment', async () => {
    await receiver.place([1, 2, 3, 4, 5])
    const archive = new MemoryArchive()
    archive.onCall = (operation, what) =>
      operation === 'putSegment' && what === nameAt(2) ? 'fail' : undefined
    const t = trial({ archive, keepLocal: { segments: 0 }, beginsAt: 1 }).start()
    await t.until(() => t.eventsOf('segment-removed').length === 3)
    expect(await receiver.names()).toEqual([nameAt(2), nameAt(5)])
    archive.onCall = () => undefined
    await t.until(() => t.eventsOf('segment-removed').length === 4)
    expect(await receiver.names()).toEqual([nameAt(5)])
    expect(t.archiver.archived).toBe(at(6))
  })

  it('keeps so many', async () => {
    await receiver.place([1, 2, 3, 4, 5])
    const t = trial({ keepLocal: { segments: 3 } }).start()
    await t.until(() => t.eventsOf('segment-removed').length === 2)
    expect(await receiver.names()).toEqual([3, 4, 5].map((segment) => nameAt(segment)))
  })

  it('keeps what is younger than the age', async () => {
    await receiver.place([1, 2])
    const t = trial({ keepLocal: { ageMs: 3_600_000 } }).start()
    await t.untilArchived(at(3))
    await t.stop()
    expect(await receiver.names()).toHaveLength(2)
  })

  it('covers on after a restart with nothing but the newest left', async () => {
    await receiver.place([1, 2, 3])
    const first = trial({ keepLocal: { segments: 1 }, beginsAt: 1 }).start()
    await first.until(() => first.eventsOf('segment-removed').length === 2)
    await first.stop()
    receiver.start(4)
    await receiver.write(at(5))
    const second = trial({ archive: first.archive, keepLocal: { segments: 1 }, beginsAt: 1 }).start()
    await second.untilArchived(at(5))
    expect(second.eventsOf('coverage-gap')).toEqual([])
  })
})
