import { describe, expect, it } from 'vitest'
import { behindText, snapshotJson, snapshotText } from '../../src/cli/monitor-views.js'
import { textTable } from '../../src/cli/text-table.js'
import type { SlotStatus } from '../../src/monitor/index.js'
import { type Lsn, parseLsn } from '../../src/wal/index.js'

const SLOT: SlotStatus = {
  slotName: 'a',
  slotType: 'physical',
  plugin: null,
  database: null,
  temporary: false,
  active: true,
  activePid: 42,
  restartLsn: parseLsn('16/B374D848'),
  confirmedFlushLsn: null,
  lagBytes: 5000n,
  lagSize: '5000 bytes',
  unconfirmedBytes: null,
  walStatus: 'lost',
  safeWalBytes: null,
  twoPhase: null,
  conflicting: null,
  inactiveSince: null,
  invalidationReason: 'wal_removed',
  failover: null,
  synced: null,
}

describe('what is shown of slots and replicas', () => {
  it('is a table with aligned columns', () => {
    expect(
      snapshotText({ slots: [SLOT, { ...SLOT, slotName: 'longer', temporary: true, lagSize: '7 GB' }] }),
    ).toBe(
      [
        'slot    type                 plugin  database  pid  restart      confirmed       keeps  state',
        'a       physical                  -         -   42  16/B374D848          -  5000 bytes  wal_removed',
        'longer  physical, temporary       -         -   42  16/B374D848          -        7 GB  wal_removed',
        '',
      ].join('\n'),
    )
    expect(snapshotText({ slots: [] })).toBe('no replication slots\n')
  })

  it('is JSON with positions as text and bytes as numbers', () => {
    const [slot] = JSON.parse(snapshotJson({ slots: [SLOT] }))
    expect(slot).toMatchObject({ restartLsn: '16/B374D848', lagBytes: 5000, confirmedFlushLsn: null })
    const server = { role: 'primary', version: '18.4', position: 0x1234n as Lsn } as const
    const whole = snapshotJson({ server, slots: [], replicas: [] })
    expect(JSON.parse(whole)).toEqual({ server: { ...server, position: '0/1234' }, slots: [], replicas: [] })
    expect(whole.split('\n')).toHaveLength(2)
  })

  it.each([
    [0n, '0 bytes'],
    [10_239n, '10239 bytes'],
    [10_240n, '10 kB'],
    [-20_480n, '-20 kB'],
    [5n * 1024n ** 3n, '5120 MB'],
    [null, '-'],
  ])('%s bytes are %s', (bytes, text) => {
    expect(behindText(bytes)).toBe(text)
  })

  it('a table without rows has its headings', () => {
    expect(textTable(['a', 'b'], [])).toBe('a  b\n')
  })
})
