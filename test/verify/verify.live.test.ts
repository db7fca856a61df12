import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { cp, mkdir, rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PostgresServer } from '../../scripts/postgres-server.js'
import { waitFor } from '../../scripts/wait-for.js'
import { prepareWorkload, runWorkload, workloadSettings } from '../../scripts/wal-workload.js'
import { runWalship } from '../../src/cli/walship.js'
import { readRecords } from '../../src/records/index.js'
import { openStore, WalArchive } from '../../src/store/index.js'
import { type VerifyOptions, verifyWal } from '../../src/verify/index.js'
import { formatLsn, type Lsn, parseLsn, parseSegmentFileName, segmentStart } from '../../src/wal/index.js'
import { FakeHost } from '../cli/fake-host.js'

const SEGMENT_SIZE = 1024 * 1024

describe('walship verify', () => {
  const root = mkdtempSync(join(tmpdir(), 'walship-verify-'))
  const original = join(root, 'original')
  let directory: string
  let switchPoint: Lsn
  let end: Lsn
  let middle: Date
  let label: string
  let copies = 0

  beforeAll(async () => {
    await using server = await PostgresServer.launch({ segmentSizeMb: 1, settings: workloadSettings(18) })
    await prepareWorkload(server)
    await server.query('SELECT pg_switch_wal()')
    await runWorkload(server, 0, 1)
    middle = new Date(await server.value('SELECT clock_timestamp()::timestamptz(3)::text'))
    const client = await server.connect()
    await client.query("SELECT pg_backup_start('check', true)")
    label = (await client.query('SELECT labelfile FROM pg_backup_stop(false)')).rows[0].labelfile
    await client.end()
    await runWorkload(server, 1, 1)
    await server.stop()
    await server.recover({ restore_command: 'false' }, 'promotion')
    await server.start()
    await waitFor('the promotion', async () => (await server.value('SELECT pg_is_in_recovery()')) === 'false')
    await runWorkload(server, 2, 1)
    await server.stop()
    await mkdir(original)
    for (const entry of readdirSync(server.walDirectory, { withFileTypes: true }))
      if (entry.isFile()) await cp(join(server.walDirectory, entry.name), join(original, entry.name))
    switchPoint = parseLsn(/\t(\S+)\t/.exec(readFileSync(join(original, '00000002.history'), 'utf8'))![1]!)
    const whole = await check({}, original)
    end = whole.timelines[1]!.end!.lsn
  }, 180_000)

  afterAll(() => rmSync(root, { recursive: true, force: true }))

  beforeEach(async () => {
    directory = join(root, `copy-${++copies}`)
    await cp(original, directory, { recursive: true })
  })

  function check(options: Partial<VerifyOptions> = {}, path = directory) {
    const { signal } = new AbortController()
    return verifyWal({ source: { kind: 'directory', path }, jobs: 1, signal, ...options })
  }

  /** Names of the finished segments of a timeline. */
  function names(timeline: number): string[] {
    const prefix = timeline.toString(16).padStart(8, '0')
    return readdirSync(directory)
      .filter((name) => name.startsWith(prefix) && name.length === 24)
      .sort()
  }

  function startOf(name: string): Lsn {
    return segmentStart(parseSegmentFileName(name, SEGMENT_SIZE)!.segment, SEGMENT_SIZE)
  }

  /** Turns a bit inside a record near the middle of a segment; returns where the record begins. */
  function damage(name: string): Lsn {
    const path = join(directory, name)
    const bytes = readFileSync(path)
    const timeline = Number.parseInt(name.slice(0, 8), 16)
    const records = [...readRecords([{ lsn: startOf(name), bytes }], { segmentSize: SEGMENT_SIZE, timeline })]
    const record = records.find(({ lsn, totalLength }) => lsn > startOf(name) + 100_000n && totalLength > 50)!
    bytes[Number(record.lsn - startOf(name)) + 30]! ^= 0x10
    writeFileSync(path, bytes)
    return record.lsn
  }

  it('finds a server whole, both timelines and the seam between them', async () => {
    const report = await check()
    expect(report.problems).toEqual([])
    expect(report.timelines.map(({ timeline }) => timeline)).toEqual([1, 2])
    expect(report.timelines[1]!.parent).toEqual({ timeline: 1, switchPoint })
    expect(report.recovery).toEqual([
      { timeline: 2, stretches: [{ from: startOf(names(1)[0]!), to: end, endedBy: null }] },
    ])
    expect(report.records).toBeGreaterThan(50_000)
  })

  it('names a segment that is missing, and how far recoveries get', async () => {
    const gone = names(1)[5]!
    rmSync(join(directory, gone))
    const report = await check()
    const [from, to] = [startOf(gone), (startOf(gone) + BigInt(SEGMENT_SIZE)) as Lsn]
    expect(report.problems).toMatchObject([{ kind: 'missing', segment: gone, from, to, timeline: 1 }])
    expect(report.recovery[0]!.stretches.map(({ from, to }) => [from, to])).toEqual([
      [startOf(names(1)[0]!), from],
      [to, end],
    ])
  })

  it('names every segment between the parent and a timeline that begins too late', async () => {
    for (const name of names(2).slice(0, 2)) rmSync(join(directory, name))
    expect((await check()).problems).toMatchObject([
      { kind: 'missing', timeline: 2, text: expect.stringMatching(/^2 segments/) },
    ])
  })

  it('finds a bit that fell over, in each run', async () => {
    const at = [names(1)[3]!, names(1).at(-3)!, names(2)[2]!].map(damage)
    const report = await check()
    expect(report.problems.map(({ kind, from }) => [kind, from])).toEqual(at.map((lsn) => ['checksum', lsn]))
    expect(report.problems.every(({ from, to }) => to !== null && to > from)).toBe(true)
    expect(report.recovery[0]!.stretches).toHaveLength(4)
  })

  it('finds a segment of the wrong length, one of another place, one of another cluster', async () => {
    truncateSync(join(directory, names(1)[2]!), 900_000)
    writeFileSync(join(directory, names(1)[6]!), readFileSync(join(directory, names(1)[9]!)))
    const other = readFileSync(join(directory, names(2)[1]!))
    other.writeBigUInt64LE(1n, 24)
    writeFileSync(join(directory, names(2)[1]!), other)
    const { problems } = await check()
    expect(problems.map(({ kind }) => kind)).toEqual(['length', 'page-header', 'other-cluster'])
  })

  it('finds a seam between runs that does not fit', async () => {
    // The 17th file begins the second run; without its first page's record the chain is cut there.
    const name = names(1)[16]!
    const bytes = readFileSync(join(directory, name))
    bytes.fill(0, 0, 8192)
    writeFileSync(join(directory, name), bytes)
    const { problems } = await check()
    expect(problems).toHaveLength(1)
    expect(problems[0]!.segment >= names(1)[15]!).toBe(true)
  })

  it('finds a history file missing and one that contradicts its parent', async () => {
    rmSync(join(directory, '00000002.history'))
    expect((await check()).problems).toMatchObject([{ kind: 'history', timeline: 2 }])
  })

  it('takes a partial file that ends in the middle of a record, and the zeros behind it', async () => {
    const last = names(2).at(-1)!
    const before = await lastRecords(last)
    for (const cut of [before.lsn + 10n, before.lsn + 30n]) {
      const bytes = readFileSync(join(original, last))
      bytes.fill(0, Number(cut - startOf(last)))
      writeFileSync(join(directory, last), bytes)
      await rename(join(directory, last), join(directory, `${last}.partial`))
      const report = await check()
      expect(report.problems).toEqual([])
      expect(report.timelines[1]!.end).toMatchObject({ lsn: before.lsn })
    }
  })

  it('takes compressed files', async () => {
    const packed = join(directory, `${names(1)[4]}.gz`)
    execFileSync('gzip', [packed.slice(0, -3)])
    expect((await check()).problems).toEqual([])
    truncateSync(packed, 5000)
    expect((await check()).problems.map(({ kind }) => kind)).toMatchObject([
      expect.stringMatching(/length|unreadable/),
    ])
  })

  it('begins where it is told: a position, a time, a backup', async () => {
    const early = names(1)[1]!
    rmSync(join(directory, early))
    expect((await check()).problems).toHaveLength(1)
    const lsn = (startOf(names(1)[3]!) + 1234n) as Lsn
    const fromLsn = await check({ start: { kind: 'lsn', lsn } })
    expect(fromLsn.problems).toEqual([])
    expect(fromLsn.timelines[0]!.firstSegment).toBe(names(1)[3]!)
    const path = join(root, 'backup_label')
    writeFileSync(path, label)
    const fromBackup = await check({ start: { kind: 'backup', path } })
    expect(formatLsn(fromBackup.startLsn!)).toBe(/START WAL LOCATION: (\S+)/.exec(label)![1])
    expect(fromBackup.problems).toEqual([])
    const fromTime = await check({ start: { kind: 'time', time: middle } })
    expect(fromTime.problems).toEqual([])
    // Near: the checkpoint of the backup began a little later than the time.
    expect(fromBackup.startLsn! - fromTime.startLsn!).toBeLessThan(BigInt(3 * SEGMENT_SIZE))
    expect(fromBackup.startLsn! - fromTime.startLsn!).toBeGreaterThanOrEqual(0n)
  })

  it('misses what lies between the place it is told and the first segment', async () => {
    const lsn = (startOf(names(1)[0]!) - 3n * BigInt(SEGMENT_SIZE)) as Lsn
    const { problems } = await check({ start: { kind: 'lsn', lsn } })
    expect(problems).toMatchObject([{ kind: 'missing', from: lsn, to: startOf(names(1)[0]!) }])
  })

  it('checks an archive: objects, tails, accepted gaps', async () => {
    const path = join(root, `archive-${copies}`)
    await mkdir(path)
    const store = await openStore(`file://${path}`)
    const identity = {
      systemIdentifier: String(readFileSync(join(original, names(1)[0]!)).readBigUInt64LE(24)),
      segmentSize: SEGMENT_SIZE,
      layoutVersion: 1,
    } as const
    const archive = await WalArchive.open(store, {
      compression: { algorithm: 'lz4', level: undefined },
      identity,
    })
    await archive.putHistory(2, readFileSync(join(original, '00000002.history')))
    const skipped = names(1)[7]!
    const last = names(2).at(-1)!
    for (const name of [...names(1), ...names(2)]) {
      if (name === skipped || name === last) continue
      await archive.putSegment(name, readFileSync(join(original, name)))
    }
    const used = Number(end - startOf(last))
    const { segment } = parseSegmentFileName(last, SEGMENT_SIZE)!
    const tail = readFileSync(join(original, last)).subarray(0, used)
    for (const [from, to] of [
      [0, used >> 1],
      [used >> 2, used],
    ] as const)
      await archive.putTailPart({ timeline: 2, segment, from, to }, tail.subarray(from, to))
    const source = { kind: 'archive', url: `file://${path}`, values: {}, environment: {} } as const
    const missing = await check({ source })
    expect(missing.problems).toMatchObject([{ kind: 'missing', segment: skipped }])
    expect(missing.timelines[1]!.end).toMatchObject({ lsn: end, unfinished: null })
    const from = startOf(skipped)
    const to = (from + BigInt(SEGMENT_SIZE)) as Lsn
    await archive.recordGap({ timeline: 1, from, to, reason: 'test' })
    const accepted = await check({ source })
    expect(accepted.problems).toEqual([])
    expect(accepted.gaps).toEqual([{ timeline: 1, from, to }])
    expect(accepted.recovery[0]!.stretches.map((stretch) => stretch.to)).toEqual([from, end])
    const object = join(path, 'wal', '00000001', `${names(1)[3]}.lz4`)
    const bytes = readFileSync(object)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(object, bytes)
    expect((await check({ source })).problems).toMatchObject([{ kind: 'unreadable', segment: names(1)[3] }])
    await store.close()
  })

  it('says for people and programs what it found, by its status too', async () => {
    const run = async (...args: string[]) => {
      const host = new FakeHost(['verify', '--jobs', '1', ...args], { invokedAs: 'walship' })
      return { status: await runWalship(host), host }
    }
    const whole = await run('-D', directory)
    expect(whole.status).toBe(0)
    expect(whole.host.out).toContain('whole: no problem was found')
    rmSync(join(directory, names(1)[5]!))
    const broken = await run('-D', directory)
    expect(broken.status).toBe(1)
    expect(broken.host.out).toMatch(/can reach \S+, not beyond/)
    const json = JSON.parse((await run('-D', directory, '--json')).host.out)
    expect(json).toMatchObject({ whole: false, problems: [{ kind: 'missing' }] })
    expect((await run('-D', join(root, 'nowhere'))).status).toBe(2)
    expect((await run('--store', 'file:///nowhere/at/all')).status).toBe(2)
    expect((await run()).status).toBe(2)
    expect((await run('-D', directory, '--from', 'x')).host.err).toContain(
      'invalid value "x" for option --from',
    )
  })

  /** The last record of a segment that has a body. */
  async function lastRecords(name: string) {
    const bytes = readFileSync(join(original, name))
    const records = [
      ...readRecords([{ lsn: startOf(name), bytes }], { segmentSize: SEGMENT_SIZE, timeline: 2 }),
    ]
    return records.filter(({ totalLength }) => totalLength > 40).at(-1)!
  }
})
