/** What has to hold for every tree of timelines, whatever the rules. */
import { describe, expect, it } from 'vitest'
import {
  applyPrune,
  type KnownBackup,
  type PrunableFile,
  type PruneRules,
  planPrune,
} from '../../src/prune/index.js'
import { formatLsn, type Lsn } from '../../src/wal/index.js'
import { isOnWay, type MemoryTimeline, type MemoryWal, recoveryReads, SEGMENT_SIZE } from './memory-wal.js'
import { Dice, randomWal } from './random-wal.js'

const { signal } = new AbortController()
const NOW = new Date('2026-03-01T00:00:00Z')
const DAY_MICROS = 86_400_000_000n
/** NOW on PostgreSQL's clock. */
const NOW_MICROS = BigInt(NOW.getTime() - 946_684_800_000) * 1000n
const RULES: PruneRules = { keepForMs: null, keepBackups: null, backups: [], before: null }
const TREES = 400

function plan(wal: MemoryWal, rules: Partial<PruneRules>, now = NOW) {
  return planPrune({ wal, rules: { ...RULES, ...rules }, times: wal, now, signal, lookAgainMs: 0 })
}

/** Backups that could have been taken: each begins in a segment that is there. */
function randomBackups(dice: Dice, wal: MemoryWal): KnownBackup[] {
  const finished = wal.files.filter(({ kind }) => kind === 'segment')
  return Array.from({ length: 1 + dice.below(4) }, () => {
    const { timeline, segment } = finished[dice.below(finished.length)]!
    const start = (segment * BigInt(SEGMENT_SIZE) + BigInt(dice.below(SEGMENT_SIZE))) as Lsn
    const end = dice.chance(50) ? null : ((start + BigInt(dice.below(2 * SEGMENT_SIZE))) as Lsn)
    return {
      name: formatLsn(start),
      start,
      end,
      timeline: dice.chance(80) ? timeline : null,
      systemIdentifier: null,
    }
  })
}

function randomRules(dice: Dice, wal: MemoryWal): Partial<PruneRules> {
  giveTimes(dice, wal)
  return dice.chance(50)
    ? { keepForMs: (1 + dice.below(20)) * 86_400_000 }
    : { backups: randomBackups(dice, wal) }
}

const namesOf = (files: readonly PrunableFile[]) => files.map(({ kind, name }) => `${kind} ${name}`)

/** The segments on the way to a timeline's end, from the oldest that is there. */
function waysOf(wal: MemoryWal, files: readonly PrunableFile[]): Map<number, PrunableFile[][]> {
  return new Map(
    wal.timelines.map((target): [number, PrunableFile[][]] => {
      const numbers = [
        ...new Set(files.filter((file) => leads(target, file)).map(({ segment }) => segment)),
      ].sort((a, b) => (a < b ? -1 : 1))
      const runs: PrunableFile[][] = []
      for (const segment of numbers) {
        const last = runs.at(-1)?.at(-1)
        if (last !== undefined && last.segment >= segment) continue
        runs.push(recoveryReads(files, target, segment))
      }
      return [target.timeline, runs]
    }),
  )
}

function leads(target: MemoryTimeline, { timeline, segment }: PrunableFile): boolean {
  const way = [...target.ancestors, { timeline: target.timeline, switchPoint: null }]
  const at = way.findIndex((each) => each.timeline === timeline)
  if (at < 0) return false
  const to = way[at]!.switchPoint
  const from = at === 0 ? 0n : way[at - 1]!.switchPoint! / BigInt(SEGMENT_SIZE)
  return segment >= from && (to === null || segment <= to / BigInt(SEGMENT_SIZE))
}

/** No way has more holes than before, at whatever moment the removal ends. */
function expectNoNewHole(
  wal: MemoryWal,
  before: readonly PrunableFile[],
  order: readonly PrunableFile[],
): void {
  const holes = new Map([...waysOf(wal, before)].map(([timeline, runs]) => [timeline, runs.length]))
  const left = [...before]
  for (const file of order) {
    left.splice(left.indexOf(file), 1)
    for (const [timeline, runs] of waysOf(wal, left))
      expect(runs.length, `holes on the way to timeline ${timeline}`).toBeLessThanOrEqual(
        Math.max(1, holes.get(timeline)!),
      )
  }
}

describe('planPrune, for random trees of timelines', () => {
  it('every backup that is kept reaches all it reached before, also when the removal ends early', async () => {
    let removed = 0
    for (let seed = 0; seed < TREES; seed++) {
      const dice = new Dice(seed)
      const wal = randomWal(dice)
      const backups = randomBackups(dice, wal)
      const keepBackups = dice.chance(50) ? 1 + dice.below(backups.length) : null
      const found = await plan(wal, { backups, keepBackups })
      if (keepBackups === null) expect(found.backups, `seed ${seed}`).toEqual(backups)
      else expect(found.backups.length, `seed ${seed}`).toBeGreaterThanOrEqual(keepBackups)
      const order = found.goes.map(({ file }) => file)
      removed += order.length
      for (let done = 0; done <= order.length; done++) {
        const gone = new Set(order.slice(0, done))
        const left = wal.files.filter((file) => !gone.has(file))
        for (const backup of found.backups)
          for (const target of wal.timelines.filter((each) => isOnWay(each, backup))) {
            const from = backup.start / BigInt(SEGMENT_SIZE)
            expect(
              namesOf(recoveryReads(left, target, from)),
              `seed ${seed}, ${done} removed, backup ${backup.name} to timeline ${target.timeline}`,
            ).toEqual(namesOf(recoveryReads(wal.files, target, from)))
          }
      }
    }
    expect(removed).toBeGreaterThan(TREES)
  })

  it('leaves no hole that was not there, at whatever moment the removal ends', async () => {
    for (let seed = 0; seed < TREES; seed++) {
      const dice = new Dice(seed)
      const wal = randomWal(dice)
      const rules = randomRules(dice, wal)
      const found = await plan(wal, rules)
      expectNoNewHole(
        wal,
        wal.files,
        found.goes.map(({ file }) => file),
      )
    }
  })

  it('keeps every commit of the time that was asked for, and the way from there on', async () => {
    let removed = 0
    let wholeTimelines = 0
    for (let seed = 0; seed < TREES; seed++) {
      const dice = new Dice(seed)
      const wal = randomWal(dice)
      giveTimes(dice, wal)
      const days = 1 + dice.below(20)
      const found = await plan(wal, { keepForMs: days * 86_400_000 })
      const gone = new Set(found.goes.map(({ file }) => file))
      removed += gone.size
      wholeTimelines += found.goes.filter(({ departure }) => departure === 'unneeded-timeline').length
      const newest = newestCommit(wal)
      const since = newest - BigInt(days) * DAY_MICROS
      for (const target of wal.timelines) {
        const way = waysOf(wal, wal.files).get(target.timeline)!.flat()
        const first = way.findIndex(({ name }) => (wal.commits.get(name)?.last ?? 0n) >= since)
        if (first < 0) continue
        for (const file of way.slice(first))
          expect(gone.has(file), `seed ${seed}, ${file.name} on the way to timeline ${target.timeline}`).toBe(
            false,
          )
      }
    }
    expect(removed).toBeGreaterThan(TREES)
    expect(wholeTimelines).toBeGreaterThan(0)
  })

  it('removes nothing that is locked, and nothing that would then be cut off', async () => {
    let locked = 0
    for (let seed = 0; seed < TREES; seed++) {
      const dice = new Dice(seed)
      const wal = randomWal(dice)
      const rules = randomRules(dice, wal)
      const before = [...wal.files]
      // Half of the time the locks come after the plan was made.
      const isLate = dice.chance(50)
      const late = isLate ? await plan(wal, rules) : null
      for (const { name, kind } of wal.files)
        if (kind !== 'tail' && dice.chance(15)) wal.locks.set(name, new Date('2027-01-01T00:00:00Z'))
      const found = late ?? (await plan(wal, rules))
      if (!isLate)
        for (const { file } of found.goes) if (found.goes.length > 2 && wal.locks.has(file.name)) locked++
      const result = await applyPrune(wal, found, signal)
      locked += result.locked.length
      for (const name of wal.removed) expect(wal.locks.has(name), `seed ${seed}, ${name}`).toBe(false)
      const gone = before.filter((file) => !wal.files.includes(file))
      expect(result.files).toBe(gone.length)
      const order = wal.removed.map((name) => gone.find((file) => file.name === name)!)
      expectNoNewHole(wal, before, [...new Set(order)])
    }
    expect(locked).toBeGreaterThan(0)
  })
})

/** Commit times that grow on each timeline, some segments without commits, some without an index. */
function giveTimes(dice: Dice, wal: MemoryWal): void {
  for (const { timeline } of wal.timelines) {
    let time = NOW_MICROS - BigInt(1 + dice.below(40)) * DAY_MICROS
    wal.files = wal.files.map((file) => {
      if (file.timeline !== timeline) return file
      const first = time
      time += BigInt(dice.below(48)) * (DAY_MICROS / 24n)
      if (time > NOW_MICROS) time = NOW_MICROS
      const storedAt = new Date(Number(time / 1000n) + 946_684_800_000 + 1000)
      if (file.kind === 'segment') wal.commits.set(file.name, dice.chance(20) ? null : { first, last: time })
      return { ...file, storedAt }
    })
  }
}

function newestCommit(wal: MemoryWal): bigint {
  let newest = 0n
  for (const commits of wal.commits.values())
    if (commits != null && commits.last > newest) newest = commits.last
  return newest < NOW_MICROS ? newest : NOW_MICROS
}
