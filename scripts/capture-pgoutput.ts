/**
 * Writes test/pgoutput/captured.json: messages of pgoutput as real servers sent them, of every kind.
 * Usage: node --import tsx scripts/capture-pgoutput.ts
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { pgoutputOptions } from '../src/pgoutput/index.js'
import {
  EVERY_KIND_SETTINGS,
  makeTables,
  ordinaryTransactions,
  slotChanges,
  streamedTransactions,
} from '../test/pgoutput/every-kind.js'
import { PostgresServer } from './postgres-server.js'

const PATH = fileURLToPath(new URL('../test/pgoutput/captured.json', import.meta.url))
const publications = ['everything']

const captured = {
  ordinary13: await captureOrdinary(13, {}),
  ordinary18: await captureOrdinary(18, { messages: true }),
  binary18: await captureOrdinary(18, { messages: true, binary: true }),
  streamed18: await captureStreamed(18, 'parallel'),
  streamed15: await captureStreamed(15, 'on'),
}
writeFileSync(PATH, `${JSON.stringify(captured, null, 1)}\n`)

async function captureOrdinary(major: number, options: { messages?: boolean; binary?: boolean }) {
  await using server = await PostgresServer.launch({ major, settings: EVERY_KIND_SETTINGS })
  await makeTables(server)
  await server.query(`SELECT pg_create_logical_replication_slot('captured', 'pgoutput')`)
  for (const sql of ordinaryTransactions(major)) await server.query(sql)
  return await lines(server, pgoutputOptions({ publications, ...options }, major * 10_000))
}

/** Server 16 and later can stream from the first change on, which keeps this short. */
async function captureStreamed(major: number, streaming: 'on' | 'parallel') {
  const settings = {
    ...EVERY_KIND_SETTINGS,
    logical_decoding_work_mem: '64kB',
    ...(major >= 16 ? { debug_logical_replication_streaming: 'immediate' } : {}),
  }
  await using server = await PostgresServer.launch({ major, settings })
  await makeTables(server)
  await server.query(`SELECT pg_create_logical_replication_slot('captured', 'pgoutput', false, true)`)
  for (const sql of streamedTransactions(major >= 16 ? 2 : 100, major >= 16 ? 20 : 1000))
    await server.query(sql)
  const all = await lines(
    server,
    pgoutputOptions({ publications, messages: true, streaming, twoPhase: true }, major * 10_000),
  )
  // Of the many equal rows three each are enough.
  let run = 0
  return all.filter((line) => {
    run = / 49/.test(line) ? run + 1 : 0
    return major >= 16 || run <= 3
  })
}

async function lines(server: PostgresServer, options: Record<string, string>): Promise<string[]> {
  const changes = await slotChanges(server, 'captured', options)
  return changes.map(({ lsn, payload }) => `${lsn} ${payload.toString('hex')}`)
}
