/** What scripts/capture-pgoutput.ts has written: messages that real servers sent. */
import { readFileSync } from 'node:fs'
import { PgoutputDecoder, type PgoutputMessage } from '../../src/pgoutput/index.js'
import { type Lsn, parseLsn } from '../../src/wal/index.js'

export interface CapturedPayload {
  readonly payload: Buffer
  readonly dataStart: Lsn
}

const ALL = JSON.parse(readFileSync(new URL('captured.json', import.meta.url), 'utf8'))

export const CAPTURES = ['ordinary13', 'ordinary18', 'binary18', 'streamed15', 'streamed18'] as const
export type CaptureName = (typeof CAPTURES)[number]

export function captured(name: CaptureName): CapturedPayload[] {
  return ALL[name].map((line: string) => {
    const [lsn, hex] = line.split(' ')
    return { payload: Buffer.from(hex!, 'hex'), dataStart: parseLsn(lsn!) }
  })
}

export function decodeAll(payloads: readonly CapturedPayload[]): PgoutputMessage[] {
  const decoder = new PgoutputDecoder()
  return payloads.map(({ payload, dataStart }) => decoder.decode(payload, dataStart))
}
