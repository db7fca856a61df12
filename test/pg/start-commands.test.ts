/** START_REPLICATION: what is sent for which options, and what is refused before anything is sent. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Connection,
  LogicalReplicationConnection,
  PgError,
  PhysicalReplicationConnection,
  REPLICATION_LOGICAL,
  REPLICATION_PHYSICAL,
  type StartOptions,
  UsageError,
} from '../../src/pg/index.js'
import * as backend from '../support/backend-frames.js'
import { ScriptedWalsender } from '../support/scripted-walsender.js'

let walsender: ScriptedWalsender
let connection: Connection | null = null

beforeEach(async () => {
  walsender = await ScriptedWalsender.start()
  walsender.answer('START_REPLICATION', backend.copyBoth())
})

afterEach(async () => {
  connection?.destroy()
  await walsender[Symbol.asyncDispose]()
})

async function started(kind: 'logical' | 'physical', options: StartOptions): Promise<string> {
  const factory = kind === 'logical' ? LogicalReplicationConnection : PhysicalReplicationConnection
  const made = await factory.connect(walsender.options)
  connection = made
  await made.cursor().startReplication(options)
  return walsender.queries.find((query) => query.startsWith('START'))!
}

const wal2json = {
  'include-xids': '0',
  'include-timestamp': '1',
  'include-schemas': '1',
  'include-types': '1',
  'format-version': '2',
}

it("the two types have psycopg2's numbers", () => {
  expect(REPLICATION_PHYSICAL).toBe(12345678)
  expect(REPLICATION_LOGICAL).toBe(87654321)
})

describe('what is sent', () => {
  it.each<['logical' | 'physical', StartOptions, string]>([
    ['logical', { slotName: 's' }, 'SLOT "s" LOGICAL 0/0'],
    ['logical', { slotName: 's', startLsn: 0 }, 'SLOT "s" LOGICAL 0/0'],
    ['logical', { slotName: 's', startLsn: '16/b374d848' }, 'SLOT "s" LOGICAL 16/B374D848'],
    ['logical', { slotName: 's', startLsn: 0x16_b374_d848n }, 'SLOT "s" LOGICAL 16/B374D848'],
    ['logical', { slotName: 's', startLsn: 26 }, 'SLOT "s" LOGICAL 0/1A'],
    ['logical', { slotName: 's', startLsn: 'FFFFFFFF/FFFFFFFF' }, 'SLOT "s" LOGICAL FFFFFFFF/FFFFFFFF'],
    [
      'logical',
      { slotName: 's', options: wal2json },
      `SLOT "s" LOGICAL 0/0 ("include-xids" '0', "include-timestamp" '1', "include-schemas" '1', "include-types" '1', "format-version" '2')`,
    ],
    [
      'logical',
      {
        slotName: 's',
        options: { proto_version: 4, binary: true, off: false, publication_names: `"it's"`, bare: null },
      },
      `SLOT "s" LOGICAL 0/0 ("proto_version" '4', "binary" 'true', "off" 'false', "publication_names" '"it''s"', "bare")`,
    ],
    ['logical', { slotName: 's', options: { back: 'a\\b' } }, `SLOT "s" LOGICAL 0/0 ("back" 'a\\b')`],
    ['logical', { slotName: 's', options: {} }, 'SLOT "s" LOGICAL 0/0'],
    ['physical', { startLsn: '0/3000000' }, '0/3000000'],
    ['physical', { startLsn: '0/3000000', timeline: 2 }, '0/3000000 TIMELINE 2'],
    ['physical', { startLsn: '0/3000000', timeline: 0 }, '0/3000000'],
    ['physical', { slotName: 'Mixed', startLsn: 1n, timeline: 3 }, 'SLOT "Mixed" 0/1 TIMELINE 3'],
    ['physical', { slotName: '', startLsn: 1n }, '0/1'],
    ['physical', { slotName: 's', slotType: REPLICATION_LOGICAL }, 'SLOT "s" LOGICAL 0/0'],
    ['logical', { slotType: REPLICATION_PHYSICAL, startLsn: 1n }, '0/1'],
  ])('%s %o', async (kind, options, expected) => {
    expect(await started(kind, options)).toBe(`START_REPLICATION ${expected}`)
  })

  it('an expert command is sent as it is', async () => {
    const made = await LogicalReplicationConnection.connect(walsender.options)
    connection = made
    const cursor = made.cursor()
    const command = `START_REPLICATION SLOT "s" LOGICAL 0/0 ("x" 'y')`
    expect(await cursor.startReplicationExpert(command, { decode: true })).toMatchObject({
      kind: 'streaming',
    })
    walsender.send(backend.xlogData(0x1000n, Buffer.from('text')))
    expect((await cursor.readMessage())?.payload).toBe('text')
    expect(walsender.queries.at(-1)).toBe(command)
  })
})

describe('what is refused before anything is sent', () => {
  it.each<['logical' | 'physical', StartOptions, RegExp]>([
    ['logical', {}, /^slot name is required for logical replication$/],
    ['logical', { slotName: '' }, /^slot name is required for logical replication$/],
    ['logical', { slotName: 's', timeline: 1 }, /^cannot specify timeline for logical replication$/],
    ['physical', { options: { a: '1' } }, /^cannot specify output plugin options for physical replication$/],
    ['logical', { slotName: 's', slotType: 5 as never }, /^unrecognized replication type: 5$/],
    ['logical', { slotName: 's', statusInterval: 0.5 }, /^status interval 0.5 is out of range 1/],
    ['physical', { startLsn: 1n, statusInterval: 0 }, /^status interval 0 is out of range 1/],
    ['logical', { slotName: 'a"b' }, /cannot be quoted/],
    ['logical', { slotName: 'a\0b' }, /cannot be quoted/],
    ['logical', { slotName: 's', options: { 'a"b': 1 } }, /cannot be quoted/],
    ['logical', { slotName: 's', options: { a: 'x\0y' } }, /NUL/],
    ['logical', { slotName: 's', decode: 'no-such-encoding' }, /cannot read text/],
    ['physical', { startLsn: 1n, timeline: 1.5 }, /timeline 1.5 is out of range/],
  ])('%s %o', async (kind, options, message) => {
    const failure = await started(kind, options).catch((error) => error)
    expect(failure).toBeInstanceOf(UsageError)
    expect(failure).toBeInstanceOf(PgError)
    expect(failure.message).toMatch(message)
    expect(walsender.queries.filter((query) => query.startsWith('START'))).toEqual([])
  })

  it.each([-1, -1n, 2n ** 64n, 1.5, 2 ** 53, 'nonsense', '1/2/3', '123456789/0'])(
    'position %s',
    async (startLsn) => {
      await expect(started('logical', { slotName: 's', startLsn })).rejects.toThrow(/LSN/)
      expect(walsender.queries).toEqual([])
    },
  )
})
