import { describe, expect, it } from 'vitest'
import { applyPrune, type PruneRules, planPrune } from '../../src/prune/index.js'
import { type Lsn, parseLsn, segmentFileName } from '../../src/wal/index.js'
import { MemoryWal, SEGMENT_SIZE } from './memory-wal.js'

const { signal } = new AbortController()
const NOW = new Date('2026-03-31T00:00:00Z')
const DAY_MS = 86_400_000
const RULES: PruneRules = { keepForMs: null, keepBackups: null, backups: [], before: null }

const micros = (date: Date) => BigInt(date.getTime() - 946_684_800_000) * 1000n
const daysAgo = (days: number, from = NOW) => new Date(from.getTime() - days * DAY_MS)
const startOf = (segment: number, offset = 0) =>
  (BigInt(segment) * BigInt(SEGMENT_SIZE) + BigInt(offset)) as Lsn
const nameOf = (segment: number, timeline = 1) => segmentFileName(timeline, BigInt(segment), SEGMENT_SIZE)

/** One timeline of 30 segments, one a day, the last of them of today; each was stored a minute after its commits. */
function thirtyDays(change: (segment: number, commit: Date) => Date = (_, commit) => commit): MemoryWal {
  const wal = new MemoryWal()
  wal.timelines.push({ timeline: 1, ancestors: [] })
  for (let segment = 1; segment <= 30; segment++) {
    const commit = change(segment, daysAgo(30 - segment))
    const { name } = wal.add(1, BigInt(segment), 'segment', new Date(commit.getTime() + 60_000))
    wal.commits.set(name, { first: micros(commit), last: micros(commit) })
  }
  wal.add(1, 31n, 'tail')
  return wal
}

function plan(wal: MemoryWal, rules: Partial<PruneRules>, now = NOW) {
  return planPrune({ wal, rules: { ...RULES, ...rules }, times: wal, now, signal, lookAgainMs: 0 })
}

/** How many segments go, from the oldest on. */
async function going(wal: MemoryWal, rules: Partial<PruneRules>, now = NOW): Promise<number> {
  const { goes, problems } = await plan(wal, rules, now)
  expect(problems).toEqual([])
  expect(goes.map(({ file }) => file.segment)).toEqual(goes.map((_, index) => BigInt(index + 1)))
  return goes.length
}

const backup = (segment: number, end: number | null, timeline: number | null = 1) => ({
  name: `b${segment}`,
  start: startOf(segment, 40),
  end: end === null ? null : startOf(end, 80),
  timeline,
  systemIdentifier: 7n,
})

describe('--keep-for', () => {
  it('keeps the commits of that time, and one segment before for a commit that lies across', async () => {
    // Segments 23 to 30 are at most seven days old; 22 may hold the beginning of a commit in 23.
    expect(await going(thirtyDays(), { keepForMs: 7 * DAY_MS })).toBe(21)
    expect(await going(thirtyDays(), { keepForMs: 100 * DAY_MS })).toBe(0)
  })

  it('is reckoned from the newest commit when this clock is ahead, and from now when the server was', async () => {
    expect(await going(thirtyDays(), { keepForMs: 7 * DAY_MS }, daysAgo(-365))).toBe(21)
    expect(await going(thirtyDays(), { keepForMs: 7 * DAY_MS }, daysAgo(10))).toBe(11)
    // From segment 10 on the server thought that it was a year later.
    const ahead = thirtyDays((segment, commit) => (segment < 10 ? commit : daysAgo(-365, commit)))
    expect(await going(ahead, { keepForMs: 7 * DAY_MS })).toBe(8)
    // For one segment only: all behind it stays until that time has come.
    const once = thirtyDays((segment, commit) => (segment === 5 ? daysAgo(-365, commit) : commit))
    expect(await going(once, { keepForMs: 7 * DAY_MS })).toBe(3)
    // The last twenty days seem to be of 1970: nothing is younger than them, so nothing goes.
    const behind = thirtyDays((segment, commit) => (segment > 10 ? new Date(0) : commit))
    expect(await going(behind, { keepForMs: 7 * DAY_MS })).toBe(0)
  })

  it('takes segments without commits with those before them', async () => {
    const wal = thirtyDays()
    for (let segment = 1; segment <= 30; segment++)
      if (segment % 3 !== 0) wal.commits.set(nameOf(segment), null)
    expect(await going(wal, { keepForMs: 7 * DAY_MS })).toBe(22)
  })

  it('believes the time of storing where there is no index, but not when it is from the future or too early', async () => {
    const without = (wal: MemoryWal, ...segments: number[]) => {
      for (const segment of segments) {
        wal.commits.set(`unread ${nameOf(segment)}`, wal.commits.get(nameOf(segment)))
        wal.commits.delete(nameOf(segment))
      }
      return wal
    }
    const stored = (wal: MemoryWal, segment: number, storedAt: Date | null) => {
      wal.files = wal.files.map((file) => (file.segment === BigInt(segment) ? { ...file, storedAt } : file))
      return wal
    }
    const plain = without(thirtyDays(), 3, 4, 5)
    expect(await going(plain, { keepForMs: 7 * DAY_MS })).toBe(21)
    // The tail, for the newest commit.
    expect(plain.reads).toBe(1)
    const found = await plan(plain, { keepForMs: 7 * DAY_MS })
    expect(found.notes.join()).toContain('3 segments have no index')

    // What is stored in the future, or before its predecessor was written, is read.
    for (const storedAt of [daysAgo(-400), new Date(0), null]) {
      const odd = stored(without(thirtyDays(), 4), 4, storedAt)
      expect(await going(odd, { keepForMs: 7 * DAY_MS })).toBe(21)
      expect(odd.reads).toBe(2)
    }
    // Nothing can be found out about it: it may be of today.
    const unknown = stored(without(thirtyDays(), 4), 4, daysAgo(-400))
    unknown.read = async () => undefined
    expect(await going(unknown, { keepForMs: 7 * DAY_MS })).toBe(2)
  })

  it('begins with the newest backup that had ended before', async () => {
    const keepForMs = 7 * DAY_MS
    // The window begins with segment 22.
    expect(
      await going(thirtyDays(), { keepForMs, backups: [backup(10, 10), backup(15, 15), backup(20, 20)] }),
    ).toBe(19)
    // One that was under way then cannot recover to all of it.
    expect(await going(thirtyDays(), { keepForMs, backups: [backup(10, 10), backup(20, 25)] })).toBe(9)
    // Where the end is not known, a backup counts as ended when the next began.
    expect(await going(thirtyDays(), { keepForMs, backups: [backup(10, null), backup(20, null)] })).toBe(9)
    // One that began later is no reason to keep less.
    expect(await going(thirtyDays(), { keepForMs, backups: [backup(28, 28)] })).toBe(21)
  })

  it('lets a timeline go that was left, when its commits and its files are both older', async () => {
    const wal = thirtyDays()
    wal.timelines.push({ timeline: 2, ancestors: [{ timeline: 1, switchPoint: startOf(3, 500) }] })
    for (const segment of [3n, 4n]) {
      const { name } = wal.add(2, segment, 'segment', daysAgo(20))
      wal.commits.set(name, { first: micros(daysAgo(20)), last: micros(daysAgo(20)) })
    }
    // The newest by its number: it may be the one that is received, and idle.
    const idle = await plan(wal, { keepForMs: 7 * DAY_MS })
    expect(idle.goes.some(({ file }) => file.timeline === 2 && file.segment === 4n)).toBe(false)
    wal.timelines.push({ timeline: 3, ancestors: [{ timeline: 1, switchPoint: startOf(30, 500) }] })
    const { name } = wal.add(3, 30n, 'segment', NOW)
    wal.commits.set(name, { first: micros(NOW), last: micros(NOW) })
    const left = await plan(wal, { keepForMs: 7 * DAY_MS })
    expect(left.goes.slice(0, 2).map(({ file, departure }) => [file.name, departure])).toEqual([
      [nameOf(4, 2), 'unneeded-timeline'],
      [nameOf(3, 2), 'unneeded-timeline'],
    ])
    // Its commits are old, and yet somebody has just stored it.
    wal.files = wal.files.map((file) => (file.timeline === 2 ? { ...file, storedAt: NOW } : file))
    const fresh = await plan(wal, { keepForMs: 7 * DAY_MS })
    expect(fresh.goes.some(({ file }) => file.timeline === 2 && file.segment === 4n)).toBe(false)
  })
})

describe('backups and positions', () => {
  it('keeps all that are named, or the newest of them, and rules add up', async () => {
    const backups = [backup(5, 6), backup(12, 12), backup(25, 25)]
    expect(await going(thirtyDays(), { backups })).toBe(4)
    expect(await going(thirtyDays(), { backups, keepBackups: 2 })).toBe(11)
    expect(await going(thirtyDays(), { backups, keepBackups: 1 })).toBe(24)
    expect(await going(thirtyDays(), { backups, keepBackups: 1, keepForMs: 7 * DAY_MS })).toBe(11)
    expect(await going(thirtyDays(), { before: { lsn: startOf(9, 77) } })).toBe(8)
    expect(await going(thirtyDays(), { before: { segmentName: nameOf(9, 7) } })).toBe(8)
    const few = await plan(thirtyDays(), { backups, keepBackups: 4 })
    expect([few.goes, few.notes.length]).toEqual([[], 1])
  })

  it('refuses a backup of another cluster, and no rule at all', async () => {
    const other = { ...backup(5, 6), systemIdentifier: 8n }
    await expect(plan(thirtyDays(), { backups: [other] })).rejects.toMatchObject({ code: 'PRUNE_BACKUP' })
    await expect(plan(thirtyDays(), {})).rejects.toMatchObject({ code: 'PRUNE_RULE' })
    const before = { segmentName: '00000001000000000000FFFF' }
    await expect(plan(thirtyDays(), { before })).rejects.toMatchObject({ code: 'PRUNE_RULE' })
  })

  it('names what is not whole in what it would keep', async () => {
    const kinds = async (wal: MemoryWal, rules: Partial<PruneRules>) =>
      (await plan(wal, rules)).problems.map(({ kind }) => kind)
    const holed = thirtyDays()
    holed.files = holed.files.filter(({ segment }) => segment !== 20n)
    expect(await kinds(holed, { before: { lsn: startOf(10) } })).toEqual(['hole'])
    expect(await kinds(holed, { before: { lsn: startOf(21) } })).toEqual([])
    holed.gaps.push({ timeline: 1, from: startOf(20), to: startOf(21) })
    expect(await kinds(holed, { before: { lsn: startOf(10) } })).toEqual([])
    // More than what was accepted is missing.
    holed.files = holed.files.filter(({ segment }) => segment !== 21n)
    expect(await kinds(holed, { before: { lsn: startOf(10) } })).toEqual(['hole'])
    expect(await kinds(thirtyDays(), { before: { lsn: startOf(32) } })).toEqual(['nothing-left'])
    const early = thirtyDays()
    early.files = early.files.filter(({ segment }) => segment > 3n)
    expect(await kinds(early, { backups: [backup(3, 3)] })).toEqual(['backup-start'])
    const orphan = thirtyDays()
    orphan.add(2, 31n)
    expect(await kinds(orphan, { backups: [backup(5, 5)] })).toContain('history')
    expect(await kinds(orphan, { before: { lsn: startOf(5) } })).toEqual([])
  })

  it('looks again for a segment near the end that may be on its way', async () => {
    const wal = thirtyDays()
    const all = wal.files
    wal.files = all.filter(({ segment }) => segment !== 29n)
    const inventory = wal.inventory.bind(wal)
    let looks = 0
    wal.inventory = async () => {
      if (++looks === 2) wal.files = all
      return inventory()
    }
    expect((await plan(wal, { before: { lsn: startOf(10) } })).problems).toEqual([])
    expect(looks).toBe(2)
  })

  it('removes the record of a gap with what was before it', async () => {
    const wal = thirtyDays()
    wal.files = wal.files.filter(({ segment }) => segment !== 5n && segment !== 20n)
    const gap = (segment: number) => ({ timeline: 1, from: startOf(segment), to: startOf(segment + 1) })
    wal.gaps = [gap(5), gap(20)]
    const found = await plan(wal, { before: { lsn: startOf(10) } })
    expect(found.problems).toEqual([])
    const result = await applyPrune(wal, found, signal)
    expect(result).toMatchObject({ files: 8, gaps: 1, locked: [], held: 0 })
    expect(wal.gaps).toEqual([gap(20)])
    expect(wal.indexesRemoved).toEqual(wal.removed)
  })
})

describe('locks', () => {
  it('keeps what is locked and what is behind it, and says until when', async () => {
    const wal = thirtyDays()
    const until = new Date('2027-01-01T00:00:00Z')
    for (let segment = 6; segment <= 30; segment++) wal.locks.set(nameOf(segment), until)
    wal.locks.set(nameOf(4), 'released')
    const found = await plan(wal, { before: { lsn: startOf(10) } })
    expect(found.goes.map(({ file }) => file.segment)).toEqual([1n, 2n, 3n])
    expect(found.stretches.map(({ files, fate }) => [files, fate.kind])).toEqual([
      [3, 'goes'],
      [1, 'locked'],
      [1, 'behind-lock'],
      [4, 'locked'],
      [22, 'stays'],
    ])
    // Locks that come after the plan are seen too.
    wal.locks.set(nameOf(2), until)
    const result = await applyPrune(wal, found, signal)
    expect(result).toMatchObject({ files: 1, held: 1 })
    expect(result.locked.map(({ file }) => file.name)).toEqual([nameOf(2)])
  })

  it('asks for few locks where nobody uses them', async () => {
    const wal = thirtyDays()
    await plan(wal, { before: { lsn: startOf(20) } })
    expect(wal.asked).toHaveLength(2)
  })
})

it('has positions as PostgreSQL prints them', () => {
  expect(startOf(3)).toBe(parseLsn('0/300000'))
})
