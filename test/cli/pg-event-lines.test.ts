import { describe, expect, it } from 'vitest'
import { WalshipError } from '../../src/base/index.js'
import { EventLines } from '../../src/cli/pg-event-lines.js'
import { PgLogger } from '../../src/cli/pg-logging.js'
import type { ReceiveEvent } from '../../src/receive/index.js'
import { parseLsn } from '../../src/wal/index.js'

const at = (text: string, timeline = 1) => ({ lsn: parseLsn(text), timeline })
const error = new WalshipError('it broke\n\tbadly', { code: 'X', hint: 'mend it' })
const NAME = '0000000100000000000000D0'

function lines(verbose: boolean, ...events: ReceiveEvent[]): string[] {
  let text = ''
  const stream = { write: (written: string) => (text += written) }
  const printer = new EventLines(new PgLogger('pg_receivewal', stream, {}), verbose)
  for (const event of events) printer.print(event)
  return text.split(/\n(?!\t)/).slice(0, -1)
}

describe('EventLines', () => {
  it.each<[string, ReceiveEvent]>([
    [
      'starting log streaming at 0/2B00000 (timeline 1)',
      { kind: 'streaming-started', origin: 'directory', ...at('0/2B00000') },
    ],
    [
      'finished segment at 0/900000 (timeline 1)',
      { kind: 'segment-finished', name: NAME, ...at('0/900000') },
    ],
    [
      'switched to timeline 2 at 0/2B01A08',
      { kind: 'timeline-switched', left: { timeline: 1, switchLsn: 0n as never }, ...at('0/2B01A08', 2) },
    ],
    [
      'stopped log streaming at 1F/D00198 (timeline 3)',
      { kind: 'stopping', cause: 'endpos', ...at('1F/D00198', 3) },
    ],
    [
      'stopped log streaming at 1F/D00198 (timeline 3)',
      { kind: 'stopped', cause: 'endpos', ...at('1F/D00198', 3) },
    ],
    ['received interrupt signal, exiting', { kind: 'stopping', cause: 'interrupt', ...at('0/1') }],
    ['received interrupt signal, exiting', { kind: 'stopped', cause: 'interrupt', ...at('0/1') }],
  ])('says %j with --verbose only', (text, event) => {
    expect(lines(true, event)).toEqual([`pg_receivewal: ${text}`])
    expect(lines(false, event)).toEqual([])
  })

  it.each<[string[], ReceiveEvent]>([
    [
      [`not renaming "${NAME}.partial", segment is not complete`],
      { kind: 'segment-left-partial', name: `${NAME}.gz.partial` },
    ],
    [
      [`warning: segment file "${NAME}" has incorrect size 1000, skipping`],
      {
        kind: 'segment-skipped',
        name: NAME,
        reason: `segment file "${NAME}" has incorrect size 1000, skipping`,
      },
    ],
    [['error: it broke\n\tbadly', 'hint: mend it'], { kind: 'error', error }],
    [['warning: it broke\n\tbadly', 'hint: mend it'], { kind: 'warning', error }],
    [
      ['disconnected; waiting 5 seconds to try again'],
      { kind: 'retrying', delayMs: 5000, attempt: 3, error },
    ],
  ])('says %j always', (texts, event) => {
    const expected = texts.map((text) => `pg_receivewal: ${text}`)
    expect(lines(false, event)).toEqual(expected)
    expect(lines(true, event)).toEqual(expected)
  })

  it('says nothing of a start after a timeline switch, but does after a reconnect', () => {
    const start: ReceiveEvent = { kind: 'streaming-started', origin: 'directory', ...at('0/1000000', 2) }
    const change: ReceiveEvent = {
      kind: 'timeline-switched',
      left: { timeline: 1, switchLsn: 0n as never },
      ...at('0/1000010', 2),
    }
    const retry: ReceiveEvent = { kind: 'retrying', delayMs: 5000, attempt: 1, error }
    const starting = 'pg_receivewal: starting log streaming at 0/1000000 (timeline 2)'
    expect(lines(true, change, start)).toHaveLength(1)
    expect(lines(true, change, retry, start).at(-1)).toBe(starting)
    expect(lines(true, change, start, start).at(-1)).toBe(starting)
  })

  it('does not repeat a hint that the message holds already', () => {
    const told = new WalshipError('ERROR:  no\nHINT:  mend it', { code: 'X', hint: 'mend it' })
    expect(lines(false, { kind: 'error', error: told }).join()).not.toContain('hint:')
  })
})
