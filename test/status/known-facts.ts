import { PositionMarks, type StatusFacts } from '../../src/status/index.js'
import { type Lsn, parseLsn } from '../../src/wal/index.js'

export const lsn = (text: string): Lsn => parseLsn(text)

/** A receiver where all is well: the server was at 0/3000100 two seconds ago and is at 0/3000200 since one. */
export function knownFacts(changes: Partial<StatusFacts> = {}): StatusFacts {
  const marks = new PositionMarks()
  marks.observe(lsn('0/3000000'), 1000)
  marks.observe(lsn('0/3000100'), 8000)
  marks.observe(lsn('0/3000200'), 9000)
  return {
    source: 'running',
    cluster: null,
    now: new Date('2026-01-02T03:04:05Z'),
    nowMs: 10_000,
    marks,
    process: {
      version: '1.2.3',
      pid: 7,
      startedAt: '2026-01-02T03:00:00.000Z',
      residentBytes: 1000,
      cpuSeconds: 2.5,
    },
    stream: {
      state: 'streaming',
      since: new Date('2026-01-02T03:00:05Z'),
      standby: null,
      timeline: 1,
      serverSeenAt: new Date('2026-01-02T03:04:05Z'),
      systemIdentifier: '77',
      lastError: null,
    },
    positions: {
      received: lsn('0/3000200'),
      written: lsn('0/3000200'),
      flushed: lsn('0/3000100'),
      verified: lsn('0/3000200'),
      archived: lsn('0/3000080'),
      reported: lsn('0/3000100'),
    },
    archive: {
      store: 's3://bucket/prefix',
      state: 'working',
      failingSince: null,
      lastError: null,
      lastSuccessAt: new Date('2026-01-02T03:04:04Z'),
      pendingSegments: 0,
      pendingBytes: 0,
      oldestPendingAt: null,
      stuckFiles: 0,
    },
    slot: {
      name: 'walship',
      unknown: null,
      checkedAt: '2026-01-02T03:04:00.000Z',
      active: true,
      walStatus: 'reserved',
      safeWalBytes: 1_000_000_000,
      retainedBytes: 4096,
    },
    directory: {
      path: '/wal',
      freeBytes: 50_000_000_000,
      totalBytes: 100_000_000_000,
      walFiles: 3,
      walBytes: 50_331_648,
      minFreeBytes: 268_435_456,
    },
    counters: {
      connects: 1,
      streamFailures: 0,
      breakdowns: 0,
      timelineSwitches: 0,
      receivedBytes: 512,
      segmentsFinished: 2,
      damagedPlaces: 0,
      segmentsArchived: 2,
      uploadFailures: 0,
    },
    coverage: {
      listedAt: new Date('2026-01-02T03:00:06Z'),
      held: [{ timeline: 1, from: lsn('0/1000000'), to: lsn('0/3000080') }],
      onItsWay: [],
      recordedGaps: [],
      ancestors: [],
      commits: { from: new Date('2026-01-01T00:00:00Z'), to: new Date('2026-01-02T03:04:00Z') },
    },
    events: [],
    ...changes,
  }
}
