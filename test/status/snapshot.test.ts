import { describe, expect, it } from 'vitest'
import {
  buildSnapshot,
  DEFAULT_THRESHOLDS,
  renderStatusText,
  type StatusFacts,
} from '../../src/status/index.js'
import { knownFacts, lsn } from './known-facts.js'

const build = (changes: Partial<StatusFacts> = {}) => buildSnapshot(knownFacts(changes), DEFAULT_THRESHOLDS)

const positions = knownFacts().positions
const archive = knownFacts().archive!
const slot = knownFacts().slot
const stream = knownFacts().stream

describe('the snapshot', () => {
  it('has the lag of each step in bytes and seconds', () => {
    expect(build().positions).toMatchObject({
      written: { lsn: '0/3000200', lagBytes: 0, lagSeconds: 0 },
      flushed: { lagBytes: 0x100, lagSeconds: 1 },
      archived: { lagBytes: 0x180, lagSeconds: 2 },
      verified: { lsn: '0/3000200', lagBytes: 0, lagSeconds: 0 },
    })
  })

  it('is what JSON can hold', () => {
    const snapshot = build()
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot)
  })
})

describe('what would be lost', () => {
  it('with the server: what is not written here', () => {
    expect(build({ positions: { ...positions, written: lsn('0/3000180') } }).loss.server).toMatchObject({
      bytes: 0x80,
      seconds: 1,
    })
  })

  it('with the directory: what the server was told is safe, and the archive lacks', () => {
    expect(build().loss.directory).toMatchObject({ bytes: 0x80, seconds: 2 })
    // With --ack archived the server keeps the rest.
    const acked = build({ positions: { ...positions, reported: lsn('0/3000080') } })
    expect(acked.loss.directory).toMatchObject({ bytes: 0, seconds: 0 })
  })

  it('with the directory and without a slot: everything received, since the server may remove it', () => {
    expect(build({ slot: { ...slot, name: null } }).loss.directory).toMatchObject({ bytes: 0x180 })
  })

  it('with both: all that the archive lacks', () => {
    expect(build().loss.both).toMatchObject({ bytes: 0x180, seconds: 2, unknown: null })
  })

  it('is not known without a store, and not 0', () => {
    const { loss } = build({ archive: null })
    expect(loss.both).toMatchObject({ bytes: null, unknown: expect.stringContaining('no store') })
    expect(loss.server).toMatchObject({ bytes: 0 })
  })
})

describe('a server that is not heard any more', () => {
  const silent = { ...stream, state: 'retrying' as const, serverSeenAt: new Date('2026-01-02T03:02:05Z') }

  it('may have written since: no lag is not known to be none', () => {
    const { positions: told, loss } = build({ stream: silent })
    expect(told.written).toMatchObject({ lsn: '0/3000200', lagBytes: null, lagSeconds: null })
    expect(told.archived).toMatchObject({ lagBytes: 0x180, atLeast: true })
    expect(loss.server).toMatchObject({ bytes: null, unknown: expect.stringContaining('not heard') })
    expect(loss.both).toMatchObject({ bytes: 0x180, atLeast: true })
    // What the server was told is safe does not change by its silence.
    expect(loss.directory).toMatchObject({ bytes: 0x80, atLeast: false })
  })
})

describe('the verdict', () => {
  it('is safe while all is well', () => {
    expect(build().verdict).toMatchObject({ level: 'safe', ready: true, reasons: [] })
    expect(build().verdict.headline).toBe('everything is archived but the last 2 s (384 bytes)')
  })

  const troubles: [string, Partial<StatusFacts>, string, boolean][] = [
    ['slot-lost', { slot: { ...slot, walStatus: 'lost' } }, 'danger', false],
    ['slot-unreserved', { slot: { ...slot, walStatus: 'unreserved' } }, 'danger', true],
    ['slot-extended', { slot: { ...slot, walStatus: 'extended' } }, 'warning', true],
    ['paused', { stream: { ...stream, state: 'paused' } }, 'danger', false],
    ['not-streaming', { stream: { ...stream, state: 'retrying' } }, 'danger', false],
    ['stopped', { stream: { ...stream, state: 'stopped' } }, 'danger', false],
    [
      'written-lag',
      { positions: { ...positions, written: lsn('0/3000000') }, nowMs: 90_000 },
      'danger',
      false,
    ],
    ['archived-lag', { nowMs: 400_000 }, 'danger', false],
    ['damaged-wal', { counters: { ...knownFacts().counters, damagedPlaces: 1 } }, 'danger', true],
    ['stuck-files', { archive: { ...archive, stuckFiles: 2 } }, 'danger', true],
    ['store-failing', { archive: { ...archive, state: 'failing' } }, 'warning', true],
    ['little-space', { directory: { ...knownFacts().directory, freeBytes: 300_000_000 } }, 'warning', true],
  ]
  it.each(troubles)('%s', (code, changes, level, ready) => {
    const { verdict } = build(changes)
    expect(verdict.reasons.map((reason) => reason.code)).toContain(code)
    expect(verdict).toMatchObject({ level, ready })
    expect(verdict.reasons.some(({ text }) => text === verdict.headline)).toBe(true)
  })

  it('puts danger before warning', () => {
    const { verdict } = build({
      archive: { ...archive, state: 'failing' },
      slot: { ...slot, walStatus: 'extended' },
      stream: { ...stream, state: 'paused' },
    })
    expect(verdict.reasons.map(({ level }) => level)).toEqual(['danger', 'warning', 'warning'])
  })

  it('of a standby: ready, and not known whether all is safe', () => {
    const standby = { ...stream, state: 'standby' as const, standby: 'another receiver is at work' }
    const snapshot = build({ stream: standby, nowMs: 400_000 })
    expect(snapshot.verdict).toEqual({
      level: 'unknown',
      headline: 'standing by: another receiver is at work',
      reasons: [],
      ready: true,
    })
    for (const { lsn: position, lagSeconds } of Object.values(snapshot.positions))
      expect([position, lagSeconds]).toEqual([null, null])
    for (const { bytes, unknown } of Object.values(snapshot.loss))
      expect([bytes, unknown]).toEqual([null, 'another receiver is at work, and can tell'])
    expect(snapshot.coverage).toBeNull()
    const lost = build({ stream: standby, slot: { ...slot, walStatus: 'lost' } })
    expect(lost.verdict).toMatchObject({ level: 'danger', ready: false })
  })

  it('does not call unknown what is safe: before the first connection', () => {
    expect(build({ stream: { ...stream, state: 'connecting' } }).verdict).toMatchObject({
      level: 'unknown',
      ready: false,
    })
  })
})

describe('coverage', () => {
  const held = [
    { timeline: 1, from: lsn('0/1000000'), to: lsn('0/2000000') },
    { timeline: 1, from: lsn('0/3000000'), to: lsn('0/4000000') },
    { timeline: 1, from: lsn('0/2800000'), to: lsn('0/3000000') },
  ]
  const coverage = { ...knownFacts().coverage!, held }

  it('shows a hole, and the window after it', () => {
    const snapshot = build({ coverage })
    expect(snapshot.coverage?.gaps).toEqual([
      { timeline: 1, from: '0/2000000', to: '0/2800000', bytes: 0x800000, recorded: false },
    ])
    expect(snapshot.coverage?.window).toMatchObject({ from: '0/2800000', to: '0/4000000' })
    expect(snapshot.verdict).toMatchObject({ level: 'danger', ready: true })
    expect(snapshot.verdict.reasons[0]?.code).toBe('coverage-gap')
  })

  it('knows a hole that was accepted', () => {
    const recordedGaps = [{ timeline: 1, from: lsn('0/2000000'), to: lsn('0/2800000') }]
    const { coverage: shown, verdict } = build({ coverage: { ...coverage, recordedGaps } })
    expect(shown?.gaps).toMatchObject([{ recorded: true }])
    expect(verdict.reasons).toMatchObject([{ code: 'recorded-gap', level: 'warning' }])
  })

  it('takes what is being sent for no hole', () => {
    const onItsWay = [{ timeline: 1, from: lsn('0/1800000'), to: lsn('0/2900000') }]
    expect(build({ coverage: { ...coverage, onItsWay } }).coverage?.gaps).toEqual([])
  })

  it('follows the window over a switch of timelines', () => {
    const ranges = [
      { timeline: 1, from: lsn('0/1000000'), to: lsn('0/3000000') },
      { timeline: 2, from: lsn('0/3000000'), to: lsn('0/5000000') },
    ]
    const ancestors = [{ timeline: 1, switchLsn: lsn('0/3000123') }]
    const state = { ...coverage, held: ranges, ancestors }
    expect(build({ coverage: state }).coverage).toMatchObject({
      gaps: [],
      window: {
        ...{ timeline: 2, from: '0/1000000', to: '0/5000000' },
        ...{ firstCommitAt: '2026-01-01T00:00:00.000Z', lastCommitAt: '2026-01-02T03:04:00.000Z' },
      },
    })
    // A hole before the switch ends it there.
    const broken = { ...state, held: [{ ...ranges[0]!, to: lsn('0/2000000') }, ranges[1]!] }
    expect(build({ coverage: broken }).coverage?.window).toMatchObject({ from: '0/3000000' })
  })
})

describe('the terminal', () => {
  it('shows one screen', () => {
    const text = renderStatusText(build(), { color: false })
    expect(text).toContain('SAFE: everything is archived but the last 2 s')
    expect(text).toMatch(/archived +0\/3000080 +behind by 384 bytes, 2 s/)
    expect(text).toMatch(/recovery window +0\/1000000 to 0\/3000080/)
    expect(text).toMatch(/in time +2026-01-01T00:00:00.000Z to 2026-01-02T03:04:00.000Z, and what is in/)
    expect(text.split('\n').length).toBeLessThanOrEqual(24)
    expect(text).not.toContain('\u001b')
  })

  it('colours only the verdict', () => {
    expect(renderStatusText(build(), { color: true })).toContain('\u001b[32mSAFE\u001b[0m')
  })
})
