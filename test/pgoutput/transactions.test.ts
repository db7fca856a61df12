import { describe, expect, it } from 'vitest'
import {
  type CommittedTransaction,
  PgoutputDecoder,
  PgoutputError,
  PgoutputMemoryError,
  type PgoutputMessage,
  pgoutputMessages,
  pgoutputTransactions,
  TransactionCollector,
} from '../../src/pgoutput/index.js'
import { CAPTURES, type CapturedPayload, type CaptureName, captured, decodeAll } from './captured.js'
import { describeTransaction } from './describe-transaction.js'
import { expectedOrdinary, expectedStreamed, isEmpty } from './expected-transactions.js'

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

async function* sourceOf(payloads: readonly CapturedPayload[]): AsyncGenerator<CapturedPayload> {
  yield* payloads
}

/** A source that has several payloads ready at a time, as a connection has. */
function inGroups(payloads: readonly CapturedPayload[]) {
  const left = [...payloads]
  let ready = 0
  return {
    left,
    tryReadMessage: () => (ready-- > 0 ? (left.shift() ?? null) : null),
    async *[Symbol.asyncIterator]() {
      while (left.length > 0) {
        ready = left.length % 7
        yield left.shift()!
      }
    },
  }
}

describe.each(['streamed15', 'streamed18'] as const)('transactions of %s', (name) => {
  it('are whole, in order, and without what was rolled back', async () => {
    const transactions = await collect(pgoutputTransactions(sourceOf(captured(name))))
    const lines = transactions.map(describeTransaction).filter((one) => !isEmpty(one))
    expect(lines).toEqual(expectedStreamed(name === 'streamed18' ? 18 : 15))
    for (const [index, transaction] of transactions.entries()) {
      expect(transaction.acknowledgeLsn > (transactions[index - 1]?.acknowledgeLsn ?? 0n)).toBe(true)
    }
    const fromElsewhere = transactions.find(
      (one): one is CommittedTransaction => one.kind === 'transaction' && one.origin !== null,
    )!
    expect(fromElsewhere.origin).toEqual({ name: 'upstream', lsn: 0n })
    expect(fromElsewhere.streamed).toBe(true)
    const prepared = transactions.find((one) => one.kind === 'prepared transaction')!
    expect(prepared.streamed).toBe(true)
    expect(prepared.prepareTime.getTime()).toBeGreaterThan(Date.UTC(2026, 0))
  })

  it('everything that is kept is let go again', () => {
    const decoder = new PgoutputDecoder()
    const collector = new TransactionCollector()
    let most = 0
    for (const { payload, dataStart } of captured(name)) {
      collector.push(decoder.decode(payload, dataStart), payload.length)
      most = Math.max(most, collector.bufferedBytes)
    }
    expect(most).toBeGreaterThan(1000)
    expect(collector.bufferedBytes).toBe(0)
  })
})

it.each(['ordinary13', 'ordinary18'] as const)('transactions of %s', async (name) => {
  const transactions = await collect(pgoutputTransactions(sourceOf(captured(name))))
  const lines = transactions.map(describeTransaction).filter((one) => !isEmpty(one))
  expect(lines).toEqual(expectedOrdinary(Number(name.slice(-2))))
})

it('ordinary transactions, and messages between them', async () => {
  const transactions = await collect(pgoutputTransactions(sourceOf(captured('ordinary18'))))
  const [first] = transactions as [CommittedTransaction]
  expect(first).toMatchObject({ kind: 'transaction', streamed: false, origin: null })
  expect(first.acknowledgeLsn).toBe(first.endLsn)
  expect(first.changes.map(({ kind }) => kind)).toEqual(['insert', 'insert'])
  const loose = transactions.find((one) => one.kind === 'message')!
  expect(loose.acknowledgeLsn).toBe(loose.message.messageLsn)
  const origins = transactions.flatMap((one) => (one.kind === 'transaction' ? [one.origin?.name] : []))
  expect(origins.filter((name) => name !== undefined)).toEqual(['upstream', 'unseen'])
})

describe('iteration', () => {
  it.each(CAPTURES)('%s: the same whether payloads come one by one or in groups', async (name) => {
    const kinds = (messages: PgoutputMessage[]) => messages.map(({ kind, lsn }) => [kind, lsn])
    const expected = kinds(decodeAll(captured(name)))
    expect(kinds(await collect(pgoutputMessages(sourceOf(captured(name)))))).toEqual(expected)
    expect(kinds(await collect(pgoutputMessages(inGroups(captured(name)))))).toEqual(expected)
    const whole = await collect(pgoutputTransactions(sourceOf(captured(name))))
    expect(JSON.stringify(await collect(pgoutputTransactions(inGroups(captured(name)))), asText)).toBe(
      JSON.stringify(whole, asText),
    )
  })

  it('left early, ends the source', async () => {
    let ended = false
    const source = (async function* () {
      try {
        yield* captured('ordinary18')
      } finally {
        ended = true
      }
    })()
    for await (const transaction of pgoutputTransactions(source)) {
      expect(transaction.kind).toBe('transaction')
      break
    }
    expect(ended).toBe(true)
  })

  it('passes on what the source throws, after all that came before', async () => {
    const source = (async function* () {
      yield* captured('ordinary18').slice(0, 6)
      throw new Error('the line is dead')
    })()
    const seen: string[] = []
    await expect(
      (async () => {
        for await (const transaction of pgoutputTransactions(source)) seen.push(transaction.kind)
      })(),
    ).rejects.toThrow('the line is dead')
    expect(seen).toEqual(['transaction'])
  })

  it('refuses payloads that were made text', async () => {
    const text = (async function* () {
      yield { payload: 'B', dataStart: captured('ordinary18')[0]!.dataStart }
    })()
    await expect(collect(pgoutputMessages(text))).rejects.toThrow('without "decode"')
  })
})

function asText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}

describe('a collector', () => {
  const streamed = decodeAll(captured('streamed18'))

  it('keeps no more than it may, over all transactions together', () => {
    const collector = new TransactionCollector(3000)
    expect(() => {
      for (const message of decodeAll(captured('streamed15'))) collector.push(message, 1000)
    }).toThrow(PgoutputMemoryError)
    expect(collector.bufferedBytes).toBeLessThan(3000 + 1000 + 512)
  })

  it('does not grow with what is rolled back to savepoints, however often', () => {
    const collector = new TransactionCollector(10_000)
    const [start] = streamed.filter((message) => message.kind === 'stream start')
    const stop = streamed.find((message) => message.kind === 'stream stop')!
    const insert = streamed.find((message) => message.kind === 'insert')!
    const abort = streamed.find((message) => message.kind === 'stream abort')!
    for (let subxid = 1_000_000; subxid < 1_001_000; subxid++) {
      collector.push(start!, 5)
      for (let row = 0; row < 5; row++) collector.push({ ...insert, xid: subxid }, 1000)
      collector.push(stop, 1)
      collector.push({ ...abort, xid: start!.xid, subxid }, 9)
    }
    expect(collector.bufferedBytes).toBe(0)
  })

  it('refuses what does not fit: a change or an end without a beginning, a beginning before the end', () => {
    const ordinary = decodeAll(captured('ordinary18'))
    const [begin] = ordinary
    const insert = ordinary.find((message) => message.kind === 'insert')!
    const [commit, other] = ordinary.filter((message) => message.kind === 'commit')
    const push = (...messages: PgoutputMessage[]) => {
      const collector = new TransactionCollector()
      for (const message of messages) collector.push(message, 10)
    }
    expect(() => push(insert)).toThrow(PgoutputError)
    expect(() => push(insert)).toThrow('could not take "insert" at')
    expect(() => push(commit!)).toThrow('no transaction has begun')
    expect(() => push(begin!, begin!)).toThrow('has not come to its end')
    expect(() => push(begin!, other!)).toThrow('was to end at')
    const lost = streamed.find((message) => message.kind === 'stream commit')!
    expect(() => push(lost)).toThrow('nothing was streamed of transaction')
    // What was never seen need not be forgotten.
    push(streamed.find((message) => message.kind === 'stream abort')!)
  })
})

it.each<CaptureName>(['streamed18', 'streamed15'])(
  '%s: an end cut off gives nothing in its place',
  async (name) => {
    const payloads = captured(name)
    const whole = await collect(pgoutputTransactions(sourceOf(payloads)))
    for (let length = 0; length < payloads.length; length++) {
      const cut = await collect(pgoutputTransactions(sourceOf(payloads.slice(0, length))))
      expect(cut.map(describeTransaction)).toEqual(whole.slice(0, cut.length).map(describeTransaction))
    }
  },
)
