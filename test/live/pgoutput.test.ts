/** Every kind of message of pgoutput, as a real server streams it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../../scripts/postgres-server.js'
import { pgoutputMessages, pgoutputTransactions, type ReplicatedTransaction } from '../../src/index.js'
import { describeTransaction } from '../pgoutput/describe-transaction.js'
import {
  EVERY_KIND_SETTINGS,
  makeTables,
  ordinaryTransactions,
  streamedTransactions,
} from '../pgoutput/every-kind.js'
import { expectedOrdinary, expectedStreamed, isEmpty } from '../pgoutput/expected-transactions.js'
import { createPgoutputSlot, isMark, openPgoutput, transactionsToNow } from './pgoutput-stream.js'
import { launchTestServer, MAJOR } from './test-server.js'

const messages = MAJOR >= 14
const twoPhase = MAJOR >= 15

function lines(transactions: readonly ReplicatedTransaction[]): string[][] {
  return transactions.map(describeTransaction).filter((one) => !isEmpty(one))
}

describe(`pgoutput of PostgreSQL ${MAJOR}`, () => {
  let server: PostgresServer
  beforeEach(async () => {
    server = await launchTestServer({ settings: { ...EVERY_KIND_SETTINGS, ...smallMemory } })
    await makeTables(server)
    await createPgoutputSlot(server, 'changes')
  })
  afterEach(() => server?.[Symbol.asyncDispose]())

  /** From server 13 on; what is larger is streamed, or spilled to disk by the server. */
  const smallMemory: Record<string, string> = MAJOR >= 13 ? { logical_decoding_work_mem: '64kB' } : {}

  async function runAll(statements: readonly string[]): Promise<void> {
    for (const sql of statements) await server.query(sql)
  }

  it('ordinary transactions of each replica identity, truncate, messages, origins, new definitions', async () => {
    await runAll(ordinaryTransactions(MAJOR))
    const transactions = await transactionsToNow(server, 'changes', { messages })
    expect(lines(transactions)).toEqual(expectedOrdinary(MAJOR))
    const origins = transactions.flatMap((one) => (one.kind === 'transaction' && one.origin) || [])
    expect(origins[0]).toEqual({ name: 'upstream', lsn: 0xabcdef012n })
    // An origin that cannot be named: nothing, or a payload of no bytes, is what servers send.
    expect(origins.length).toBeGreaterThanOrEqual(1)
  })

  it('large and prepared transactions, not streamed', async () => {
    await runAll(streamedTransactions(100, 1000))
    const transactions = await transactionsToNow(server, 'changes', { messages, twoPhase })
    expect(lines(transactions)).toEqual(expectedStreamed(MAJOR))
    expect(transactions.some((one) => 'streamed' in one && one.streamed)).toBe(false)
  })

  it.runIf(MAJOR >= 14)('streamed ones, with rolled back parts', async () => {
    await runAll(streamedTransactions(100, 1000))
    const transactions = await transactionsToNow(server, 'changes', { messages, twoPhase, streaming: 'on' })
    expect(lines(transactions)).toEqual(expectedStreamed(MAJOR))
    expect(transactions.filter((one) => 'streamed' in one && one.streamed).length).toBeGreaterThan(2)
  })

  it.runIf(MAJOR >= 16)('streamed ones for parallel application: an abort tells where and when', async () => {
    await runAll(streamedTransactions(100, 1000))
    await server.query('CREATE TABLE marks (id int)')
    await server.query('INSERT INTO marks VALUES (1)')
    await using connection = await openPgoutput(server, 'changes', {
      streaming: 'parallel',
      messages,
      twoPhase,
    })
    const kinds = new Set<string>()
    for await (const message of pgoutputMessages(connection)) {
      kinds.add(message.kind)
      if (message.kind === 'stream abort') {
        expect(message.abortLsn).toBeGreaterThan(0n)
        expect(Math.abs(message.abortTime!.getTime() - Date.now())).toBeLessThan(600_000)
      }
      if (message.kind === 'insert' && message.relation.name === 'marks') break
    }
    expect([...kinds]).toEqual(
      expect.arrayContaining([
        'stream start',
        'stream stop',
        'stream abort',
        'stream commit',
        'stream prepare',
      ]),
    )
    // Nothing was acknowledged: all of it comes again, and is the same.
    const transactions = await transactionsToNow(server, 'changes', {
      messages,
      twoPhase,
      streaming: 'parallel',
    })
    expect(lines(transactions)).toEqual(expectedStreamed(MAJOR))
  })

  it.runIf(MAJOR >= 14)('values in binary form', async () => {
    await server.query(`INSERT INTO by_key VALUES (258, 'Zoë', NULL, 'x')`)
    await server.query(`UPDATE by_key SET name = 'y'`)
    const transactions = await transactionsToNow(server, 'changes', { binary: true })
    expect(lines(transactions)).toEqual([
      ['committed', 'insert by_key id=0x00000102 name=0x5a6fc3ab mood=null note=0x78'],
      ['committed', 'update by_key id=0x00000102 name=0x79 mood=null note=0x78'],
    ])
  })

  it('a stream left and taken up again: what was acknowledged does not come twice, nothing is left out', async () => {
    for (let id = 1; id <= 20; id++) await server.query(`INSERT INTO no_key VALUES (${id}, 'n')`)
    await server.query('CREATE TABLE marks (id int)')
    await server.query('INSERT INTO marks VALUES (1)')
    const seen: string[] = []
    for (let ended = false; !ended; ) {
      await using connection = await openPgoutput(server, 'changes')
      let taken = 0
      for await (const transaction of pgoutputTransactions(connection)) {
        seen.push(...lines([transaction]).map((one) => one.slice(1).join()))
        connection.sendFeedback({ flushLsn: transaction.acknowledgeLsn, force: true })
        ended = isMark(transaction)
        if (ended || ++taken === 7) break
      }
    }
    const expected = Array.from({ length: 20 }, (_, index) => `insert no_key id=${index + 1} name=n`)
    expect(seen.filter((line) => line !== 'insert marks id=1')).toEqual(expected)
  })
})
