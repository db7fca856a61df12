import { describe, expect, it } from 'vitest'
import { REPLICATION_LOGICAL, REPLICATION_PHYSICAL, UsageError } from '../../src/pg/index.js'
import { type CreateSlotOptions, createSlotCommand, dropSlotCommand } from '../../src/pg/slot-commands.js'

const P = REPLICATION_PHYSICAL
const L = REPLICATION_LOGICAL
const plugin = { outputPlugin: 'pgoutput' }
type Row = [type: typeof P | typeof L, options: CreateSlotOptions, major: number, expected: string]

describe('CREATE_REPLICATION_SLOT "s" ...', () => {
  it.each<Row>([
    [P, {}, 10, 'PHYSICAL'],
    [P, { reserveWal: true }, 18, 'PHYSICAL RESERVE_WAL'],
    [P, { temporary: true, reserveWal: true }, 10, 'TEMPORARY PHYSICAL RESERVE_WAL'],
    [L, plugin, 10, 'LOGICAL "pgoutput"'],
    [L, { ...plugin, temporary: true }, 13, 'TEMPORARY LOGICAL "pgoutput"'],
    [L, { ...plugin, snapshot: 'export' }, 10, 'LOGICAL "pgoutput" EXPORT_SNAPSHOT'],
    [L, { ...plugin, snapshot: 'nothing' }, 18, 'LOGICAL "pgoutput" NOEXPORT_SNAPSHOT'],
    [L, { ...plugin, snapshot: 'use' }, 14, 'LOGICAL "pgoutput" USE_SNAPSHOT'],
    [L, { ...plugin, twoPhase: true }, 15, 'LOGICAL "pgoutput" (TWO_PHASE)'],
    [
      L,
      { ...plugin, twoPhase: true, failover: true, snapshot: 'nothing' },
      17,
      `LOGICAL "pgoutput" (SNAPSHOT 'nothing', TWO_PHASE, FAILOVER)`,
    ],
  ])('%s %o on %i', (type, options, major, expected) => {
    const text = createSlotCommand('s', type, options, major * 10000)
    expect(text).toBe(`CREATE_REPLICATION_SLOT "s" ${expected}`)
  })

  it.each<[typeof P | typeof L, CreateSlotOptions, number, RegExp]>([
    [L, {}, 18, /^output plugin name is required to create logical replication slot$/],
    [P, plugin, 18, /^cannot specify output plugin name when creating physical replication slot$/],
    [7 as typeof P, {}, 18, /^unrecognized replication type: 7$/],
    [P, { twoPhase: true }, 18, /^twoPhase is for logical/],
    [P, { failover: true }, 18, /^failover is for logical/],
    [P, { snapshot: 'use' }, 18, /^snapshot is for logical/],
    [L, { ...plugin, reserveWal: true }, 18, /^reserveWal is for physical/],
    [
      L,
      { ...plugin, twoPhase: true },
      14,
      /^two-phase replication slots need PostgreSQL 15 or later, the server is 14$/,
    ],
    [
      L,
      { ...plugin, failover: true },
      16,
      /^failover replication slots need PostgreSQL 17 or later, the server is 16$/,
    ],
    [L, { outputPlugin: 'a"b' }, 18, /cannot be quoted/],
  ])('refuses %s %o on %i', (type, options, major, message) => {
    const make = () => createSlotCommand('s', type, options, major * 10000)
    expect(make).toThrow(UsageError)
    expect(make).toThrow(message)
  })
})

describe('DROP_REPLICATION_SLOT', () => {
  it('waits where the server can', () => {
    expect(dropSlotCommand('s', false, 100000)).toBe('DROP_REPLICATION_SLOT "s"')
    expect(dropSlotCommand('s', true, 110000)).toBe('DROP_REPLICATION_SLOT "s" WAIT')
    expect(() => dropSlotCommand('s', true, 100000)).toThrow(/need PostgreSQL 11/)
  })
})
