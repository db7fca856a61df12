import { describe, expect, it } from 'vitest'
import {
  acknowledgeLsn,
  type InsertMessage,
  PgoutputDecoder,
  PgoutputError,
  type PgoutputMessage,
  type Relation,
  UNCHANGED_TOAST,
  type UpdateMessage,
} from '../../src/pgoutput/index.js'
import { dateToPgTime, formatLsn } from '../../src/wal/index.js'
import { CAPTURES, captured, decodeAll } from './captured.js'

type Of<Kind extends PgoutputMessage['kind']> = Extract<PgoutputMessage, { kind: Kind }>

function all<Kind extends PgoutputMessage['kind']>(messages: readonly PgoutputMessage[], kind: Kind) {
  return messages.filter((message): message is Of<Kind> => message.kind === kind)
}

/** Changes of one table, as objects. */
function rows(messages: readonly PgoutputMessage[], table: string) {
  return messages.flatMap((message): unknown[] => {
    switch (message.kind) {
      case 'insert':
        return message.relation.name === table ? [['insert', message.new.toObject()]] : []
      case 'update': {
        const { key, old, relation } = message
        return relation.name === table
          ? [['update', key?.toObject(), old?.toObject(), message.new.toObject()]]
          : []
      }
      case 'delete':
        return message.relation.name === table
          ? [['delete', message.key?.toObject(), message.old?.toObject()]]
          : []
      default:
        return []
    }
  })
}

describe.each(['ordinary13', 'ordinary18'] as const)('messages of %s', (name) => {
  const messages = decodeAll(captured(name))

  it('inserts, updates and deletes of a table with a primary key', () => {
    const note = 'n'.repeat(3000)
    expect(rows(messages, 'by_key')).toEqual([
      ['insert', { id: '1', name: 'Zoë', mood: 'calm', note }],
      ['insert', { id: '2', name: null, mood: null, note: '' }],
      ['update', undefined, undefined, { id: '1', name: 'plain', mood: 'calm', note: UNCHANGED_TOAST }],
      ['update', { id: '2' }, undefined, { id: '3', name: null, mood: null, note: '' }],
      ['delete', { id: '3' }, undefined],
    ])
  })

  it('of a table identified by an index, with a column that is named like a trap', () => {
    const row = (fields: string) => JSON.parse(fields, (_key, value) => value)
    const objects = JSON.stringify(rows(messages, 'by_index'))
    expect(objects).toBe(
      JSON.stringify([
        ['insert', row('{"id":"1","code":"a","__proto__":"x"}')],
        ['update', undefined, undefined, row('{"id":"2","code":"a","__proto__":"x"}')],
        ['update', { code: 'a' }, undefined, row('{"id":"2","code":"b","__proto__":"x"}')],
        ['delete', { code: 'b' }, undefined],
      ]),
    )
  })

  it('of a table with REPLICA IDENTITY FULL: an unchanged value is in the old row', () => {
    const note = 'w'.repeat(3000)
    expect(rows(messages, 'whole_rows')).toEqual([
      ['insert', { id: '1', note }],
      ['update', undefined, { id: '1', note }, { id: '2', note: UNCHANGED_TOAST }],
      ['delete', undefined, { id: '2', note }],
    ])
    const update = all(messages, 'update').find(({ old }) => old !== null)!
    expect(update.new.toObject(update.old)).toEqual({ id: '2', note })
    expect(JSON.parse(JSON.stringify(update.new))).toEqual({ id: '2' })
  })

  it('relations: columns, keys, types of their own', () => {
    const relation = all(messages, 'relation').find((one) => one.name === 'by_key')!
    const type = all(messages, 'type')[0]!
    expect(type).toMatchObject({ schema: 'public', name: 'mood', xid: null })
    expect(relation).toMatchObject({ schema: 'public', replicaIdentity: 'default', xid: null })
    expect(relation.columns).toEqual([
      { name: 'id', key: true, typeOid: 23, typeModifier: -1, type: null },
      { name: 'name', key: false, typeOid: 25, typeModifier: -1, type: null },
      {
        name: 'mood',
        key: false,
        typeOid: type.oid,
        typeModifier: -1,
        type: { schema: 'public', name: 'mood' },
      },
      { name: 'note', key: false, typeOid: 25, typeModifier: -1, type: null },
    ])
    const identities = Object.fromEntries(
      all(messages, 'relation').map((one) => [one.name, one.replicaIdentity]),
    )
    expect(identities).toEqual({
      by_key: 'default',
      by_index: 'index',
      whole_rows: 'full',
      no_key: 'nothing',
    })
    const byIndex = all(messages, 'relation').find((one) => one.name === 'by_index')!
    expect(byIndex.columns[1]).toMatchObject({ name: 'code', key: true, typeModifier: 24 })
  })

  it('a change keeps the definition it was made under', () => {
    const inserts = all(messages, 'insert').filter(({ relation }) => relation.name === 'no_key')
    expect(inserts[0]!.new.toObject()).toEqual({ id: '1', name: 'x' })
    expect(inserts.at(-1)!.new.toObject()).toEqual({ id: '4', name: 'more', more: '5' })
    expect(inserts[0]!.relation.columns).toHaveLength(2)
  })

  it('truncate', () => {
    const [truncate] = all(messages, 'truncate')
    expect(truncate!.relations.map((relation) => relation.name)).toEqual(['by_key', 'no_key'])
    expect(truncate).toMatchObject({ cascade: true, restartIdentity: true })
  })

  it('begin and commit: the same positions and clock, and what to acknowledge', () => {
    const begins = all(messages, 'begin')
    const commits = all(messages, 'commit')
    expect(commits.length).toBe(begins.length)
    begins.forEach((begin, index) => {
      const commit = commits[index]!
      expect(commit.commitLsn).toBe(begin.finalLsn)
      expect(commit.commitTimeMicros).toBe(begin.commitTimeMicros)
      expect(commit.endLsn).toBeGreaterThan(commit.commitLsn)
      expect(acknowledgeLsn(commit)).toBe(commit.endLsn)
      expect(acknowledgeLsn(begin)).toBeNull()
      expect(dateToPgTime(commit.commitTime)).toBe(
        commit.commitTimeMicros - (commit.commitTimeMicros % 1000n),
      )
    })
    // The server's clock in the year of the capture, not some days or years beside it.
    expect(commits[0]!.commitTime.getUTCFullYear()).toBeGreaterThanOrEqual(2026)
    expect(new Set(begins.map(({ xid }) => xid)).size).toBe(begins.length)
  })

  it('origins, also one that the server could not find', () => {
    const origins = all(messages, 'origin').map(({ name, originLsn }) => [name, formatLsn(originLsn)])
    expect(origins).toEqual([
      ['upstream', 'A/BCDEF012'],
      name === 'ordinary13' ? [null, '0/0'] : ['unseen', 'A/BCDEF012'],
    ])
  })
})

it('messages of clients, within and outside of a transaction', () => {
  const messages = all(decodeAll(captured('ordinary18')), 'message')
  const fields = messages.map(({ transactional, prefix, content }) => [
    transactional,
    prefix,
    String(content),
  ])
  expect(fields).toEqual([
    [false, 'loose', 'outside'],
    [true, 'tied', 'inside'],
  ])
  expect(acknowledgeLsn(messages[0]!)).toBe(messages[0]!.messageLsn)
  expect(acknowledgeLsn(messages[1]!)).toBeNull()
  expect(messages[0]!.messageLsn).toBe(messages[0]!.lsn)
})

it('values in binary form', () => {
  const binary = all(decodeAll(captured('binary18')), 'insert')[0]!
  expect(binary.new.get('id')).toEqual(Buffer.from([0, 0, 0, 1]))
  expect(binary.new.get('name')).toEqual(Buffer.from('Zoë'))
  expect(all(decodeAll(captured('binary18')), 'insert')[1]!.new.get('name')).toBeNull()
})

describe('a tuple', () => {
  const [insert, , update] = decodeAll(captured('ordinary18')).filter(
    (message) => message.kind === 'insert' || message.kind === 'update',
  ) as [InsertMessage, InsertMessage, UpdateMessage]

  it('gives one value or all of them, the same', () => {
    const fresh = all(decodeAll(captured('ordinary18')), 'insert')[0]!.new
    expect([fresh.get('mood'), fresh.get('name')]).toEqual(['calm', 'Zoë'])
    expect(fresh.values()).toEqual(['1', 'Zoë', 'calm', 'n'.repeat(3000)])
    expect(fresh.get('name')).toBe('Zoë')
    expect(update.new.get('note')).toBe(UNCHANGED_TOAST)
  })

  it('gives the bytes of a value, for text in other encodings', () => {
    expect(insert.new.rawAt(1)).toEqual(Buffer.from('Zoë'))
    expect(update.new.rawAt(3)).toBe(UNCHANGED_TOAST)
    expect(() => insert.new.rawAt(4)).toThrow(RangeError)
  })

  it('has no column that the relation has not', () => {
    expect(() => insert.new.get('nome')).toThrow('relation "public.by_key" has no column "nome"')
    expect('toString' in insert.new.toObject()).toBe(false)
  })

  it('makes the same texts from one text of the row as from each value, whatever the bytes', () => {
    const relation = insert.relation as Relation
    for (const value of [
      'ascii',
      'x'.repeat(130),
      'x'.repeat(195),
      'é'.repeat(64),
      '€',
      '😀',
      'a\uFEFFb',
      '\0',
    ]) {
      for (const bytes of [Buffer.from(value), Buffer.from(value, 'latin1'), Buffer.from([0xe2, 0x82])]) {
        const payload = insertOf(relation, [bytes, Buffer.from('plain'), null, bytes])
        const decoder = decoderKnowing(relation)
        const { new: row } = decoder.decode(payload) as InsertMessage
        const text = bytes.toString('utf8')
        expect(row.values()).toEqual([text, 'plain', null, text])
      }
    }
  })
})

describe('streamed messages', () => {
  it.each(['streamed15', 'streamed18'] as const)('of %s: each change names its subtransaction', (name) => {
    const messages = decodeAll(captured(name))
    let top: number | null = null
    const subxids = new Set<number>()
    for (const message of messages) {
      if (message.kind === 'stream start') top = message.xid
      else if (message.kind === 'stream stop') top = null
      else if (message.kind === 'insert') {
        expect(message.xid === null).toBe(top === null)
        if (top !== null && message.xid !== top) subxids.add(message.xid!)
      }
    }
    expect(subxids.size).toBeGreaterThanOrEqual(3)
    const aborts = all(messages, 'stream abort')
    expect(
      aborts.filter(({ xid, subxid }) => xid !== subxid).map(({ subxid }) => subxids.has(subxid)),
    ).toEqual([true, true])
    for (const abort of aborts) {
      expect(abort.abortTime instanceof Date && abort.abortLsn! > 0n).toBe(name === 'streamed18')
    }
    const kinds = new Set(messages.map(({ kind }) => kind))
    for (const kind of [
      'stream commit',
      'stream prepare',
      'commit prepared',
      'rollback prepared',
      'origin',
    ] as const)
      expect(kinds).toContain(kind)
  })

  it('a small prepared transaction', () => {
    const messages = decodeAll(captured('streamed15'))
    const [begin] = all(messages, 'begin prepare')
    const [prepare] = all(messages, 'prepare')
    const committed = all(messages, 'commit prepared').at(-1)!
    expect(prepare).toEqual({ ...begin!, kind: 'prepare', lsn: prepare!.lsn })
    expect(prepare!.gid).toBe('small')
    expect([committed.gid, committed.xid]).toEqual(['small', begin!.xid])
    expect(committed.endLsn).toBeGreaterThan(prepare!.endLsn)
    const [rolledBack] = all(messages, 'rollback prepared')
    expect(rolledBack!.gid).toBe('to roll back')
    expect(rolledBack!.prepareEndLsn).toBe(all(messages, 'stream prepare')[1]!.endLsn)
  })
})

describe('malformed bytes', () => {
  it.each(CAPTURES)('%s: cut at every length, each message is refused with the place', (name) => {
    const payloads = captured(name)
    const decoder = new PgoutputDecoder()
    let cuts = 0
    let previous: PgoutputMessage | null = null
    for (const { payload, dataStart } of payloads) {
      for (let length = 0; length < payload.length; length++) {
        // Long runs of one value say the same thing over and over.
        if (length > 200 && length < payload.length - 20 && length % 97 !== 0) continue
        if (length === 0 && /^(begin|begin prepare|stream start)$/.test(previous?.kind ?? '')) continue
        if (payload[0] === 0x41 && length === 9) continue // Stream Abort of other options
        const error = caught(() => decoder.decode(payload.subarray(0, length), dataStart))
        expect(error).toBeInstanceOf(PgoutputError)
        expect(error.offset).toBeLessThanOrEqual(length)
        expect(error).toMatchObject({ code: 'PGOUTPUT_MALFORMED', retryable: false, lsn: dataStart })
        expect(error.message).toMatch(/^could not decode pgoutput message .* at [0-9A-F/]+: .* at byte \d+$/)
        cuts++
      }
      // Nothing of the refused ones stays: the whole message is understood all the same.
      previous = decoder.decode(payload, dataStart)
      const error = caught(() => decoder.decode(Buffer.concat([payload, Buffer.alloc(1)]), dataStart))
      expect(error).toBeInstanceOf(PgoutputError)
    }
    expect(cuts).toBeGreaterThan(1000)
  })

  it('any byte changed: a message or the clear error, never something else', () => {
    let state = 12345
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      return (state >>> 8) % below
    }
    let refused = 0
    for (let round = 0; round < 400; round++) {
      const decoder = new PgoutputDecoder()
      for (const { payload, dataStart } of captured(CAPTURES[round % CAPTURES.length]!)) {
        const changed = Buffer.from(payload)
        if (changed.length > 0 && random(3) === 0) {
          for (let times = 1 + random(3); times > 0; times--) changed[random(changed.length)] = random(256)
        }
        try {
          const message = decoder.decode(changed, dataStart)
          if (message.kind === 'insert')
            expect(message.new.values()).toHaveLength(message.relation.columns.length)
        } catch (error) {
          if (!(error instanceof PgoutputError)) throw error
          expect(error.offset).toBeLessThanOrEqual(changed.length)
          refused++
        }
      }
    }
    expect(refused).toBeGreaterThan(1000)
  })

  it('an end, or another beginning, in the middle of a part of a stream', () => {
    for (const type of 'BCSbPpcAKr') {
      const decoder = new PgoutputDecoder()
      decoder.decode(Buffer.from('530000000101', 'hex'))
      const error = caught(() => decoder.decode(Buffer.from(`${type}${'\0'.repeat(60)}`)))
      expect(error.message).toContain('not allowed before the Stream Stop')
    }
  })

  it('a count that is too large makes no room for what is not there', () => {
    const decoder = new PgoutputDecoder()
    const error = caught(() => decoder.decode(Buffer.from('54ffffffff00', 'hex')))
    expect(error.message).toContain('4294967295 relations announced, 0 bytes left, at byte 6')
  })

  it('a negative length', () => {
    const decoder = new PgoutputDecoder()
    const error = caught(() => decoder.decode(Buffer.from('4d00000000000000000000ffffffff', 'hex')))
    expect(error.message).toContain('negative length -1')
  })

  it('a relation that was not described, a type of message that is not known, a stray Stream Stop', () => {
    const decode = (hex: string) =>
      caught(() => new PgoutputDecoder().decode(Buffer.from(hex, 'hex'))).message
    expect(decode('49000040014e0000')).toContain(
      'change of relation 16385, which was not described before, at byte 1',
    )
    expect(decode('5a')).toBe(
      'could not decode pgoutput message "Z" at 0/0: unknown type of message at byte 0',
    )
    expect(decode('45')).toContain('Stream Stop without a Stream Start')
    expect(decode('')).toBe('could not decode pgoutput message without a type at 0/0: no bytes at byte 0')
  })

  it('definitions of tables without end are an error before memory is', () => {
    const decoder = new PgoutputDecoder()
    const name = `${'n'.repeat(1_000_000)}\0`
    const relation = (oid: number) => {
      const head = Buffer.alloc(5)
      head.write('R')
      head.writeUInt32BE(oid, 1)
      return Buffer.concat([head, Buffer.from(`s\0${name}d`), Buffer.from([0, 0])])
    }
    // The same one over and over is only one.
    for (let times = 0; times < 100; times++) decoder.decode(relation(1))
    expect(() => {
      for (let oid = 1; oid < 100; oid++) decoder.decode(relation(oid))
    }).toThrow('the definitions of the tables in the stream take more than 67108864 bytes')
  })
})

function caught(call: () => unknown): PgoutputError {
  try {
    call()
  } catch (error) {
    return error as PgoutputError
  }
  throw new Error('nothing was thrown')
}

function decoderKnowing(relation: Relation): PgoutputDecoder {
  const decoder = new PgoutputDecoder()
  for (const { payload } of captured('ordinary18')) {
    const message = decoder.decode(payload)
    if (message.kind === 'relation' && message.oid === relation.oid) return decoder
  }
  throw new Error('no such relation')
}

function insertOf(relation: Relation, values: readonly (Buffer | null)[]): Buffer {
  const head = Buffer.alloc(8)
  head.write('I')
  head.writeUInt32BE(relation.oid, 1)
  head.write('N', 5)
  head.writeUInt16BE(values.length, 6)
  const parts = values.flatMap((value) => {
    if (value === null) return [Buffer.from('n')]
    const length = Buffer.alloc(5)
    length.write('t')
    length.writeInt32BE(value.length, 1)
    return [length, value]
  })
  return Buffer.concat([head, ...parts])
}
