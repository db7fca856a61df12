import { describe, expect, it } from 'vitest'
import { WalshipError } from '../../src/base/index.js'
import { logEvent } from '../../src/cli/log-events.js'
import type { LogChoice } from '../../src/cli/walship-command-line.js'
import { openLog } from '../../src/cli/walship-log.js'
import type { ReceiveEvent } from '../../src/receive/index.js'
import { parseLsn } from '../../src/wal/index.js'
import { FakeHost } from './fake-host.js'

const lsn = parseLsn('1/A5')
const at = { lsn, timeline: 2 }
const error = new WalshipError('slot is busy', {
  code: 'PG_SLOT_ACTIVE',
  hint: 'wait',
  retryable: true,
  context: { pid: 7 },
  cause: new Error('PID 7'),
})

function logged(event: ReceiveEvent, choice: LogChoice = { format: 'json', level: 'trace' }): string {
  const host = new FakeHost([])
  logEvent(openLog(host, choice, false), event)
  return host.err
}

describe('logEvent', () => {
  const position = { lsn: '1/A5', timeline: 2 }
  it.each<[ReceiveEvent, Record<string, unknown>]>([
    [
      { kind: 'streaming-started', origin: 'directory', ...at },
      { level: 'info', event: 'streaming_started', ...position },
    ],
    [
      { kind: 'segment-finished', name: 'F', ...at },
      { level: 'info', event: 'segment_finished', segment: 'F', ...position },
    ],
    [
      { kind: 'timeline-switched', left: { timeline: 1, switchLsn: 0n as never }, ...at },
      { level: 'info', event: 'timeline_switched', ...position },
    ],
    [
      { kind: 'segment-left-partial', name: 'F.partial' },
      { level: 'info', event: 'segment_left_partial', segment: 'F.partial' },
    ],
    [
      { kind: 'segment-skipped', name: 'F', reason: 'wrong size' },
      { level: 'warn', event: 'segment_skipped', file: 'F', msg: 'wrong size' },
    ],
    [
      { kind: 'stopping', cause: 'interrupt', ...at },
      { level: 'info', event: 'stopping', cause: 'interrupt', ...position },
    ],
    [
      { kind: 'stopped', cause: 'endpos', ...at },
      { level: 'info', event: 'stopped', cause: 'endpos', ...position },
    ],
    [
      { kind: 'standing-by', waitsFor: 'slot', text: 'somebody is at work' },
      { level: 'info', event: 'standing_by', waitsFor: 'slot', msg: 'standing by: somebody is at work' },
    ],
    [
      { kind: 'warning', error },
      { level: 'warn', event: 'warning', code: 'PG_SLOT_ACTIVE' },
    ],
    [
      { kind: 'error', error },
      {
        level: 'error',
        event: 'attempt_failed',
        code: 'PG_SLOT_ACTIVE',
        hint: 'wait',
        retryable: true,
        context: { pid: 7 },
        cause: 'PID 7',
        msg: 'slot is busy',
      },
    ],
    [
      { kind: 'retrying', delayMs: 1500, attempt: 3, error },
      { level: 'info', event: 'retrying', delayMs: 1500, attempt: 3, code: 'PG_SLOT_ACTIVE' },
    ],
  ])('event %#', (event, fields) => {
    const text = logged(event)
    expect(text.endsWith('}\n')).toBe(true)
    const record = JSON.parse(text)
    expect(record).toMatchObject({ name: 'walship', pid: process.pid, msg: expect.any(String), ...fields })
    expect(record.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  })

  it('keeps to the level', () => {
    expect(logged({ kind: 'stopped', cause: 'endpos', ...at }, { format: 'json', level: 'warn' })).toBe('')
    expect(logged({ kind: 'error', error }, { format: 'json', level: 'silent' })).toBe('')
  })

  it('has a form for people', () => {
    const text = logged({ kind: 'error', error }, { format: 'pretty', level: undefined })
    expect(text).toMatch(/^\[.*\] ERROR: slot is busy\n/)
    expect(text).toContain('hint: "wait"')
  })

  it('masks passwords in both forms', () => {
    const told = new WalshipError('invalid URI postgresql://ada:hunter2@db', {
      code: 'X',
      context: { given: ["password='hunter2", 5n] },
      cause: new Error('postgresql://ada:hunter2@db'),
    })
    for (const format of ['json', 'pretty'] as const) {
      const text = logged({ kind: 'error', error: told }, { format, level: undefined })
      expect(text).not.toContain('hunter2')
      expect(text).toContain('invalid URI postgresql://ada:********@db')
      expect(text).toContain('password=********')
    }
  })
})
