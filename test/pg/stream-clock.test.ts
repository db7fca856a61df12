import { describe, expect, it } from 'vitest'
import { evaluateStream, type StreamClock } from '../../src/pg/stream-clock.js'

const quiet: StreamClock = {
  statusIntervalMs: 10_000,
  senderTimeoutMs: 60_000,
  pingTimeoutMs: 120_000,
  lastSentAt: 0,
  lastReceivedAt: 0,
  pingedAt: null,
  replyDueAt: null,
  answering: false,
  paused: false,
}

describe('evaluateStream', () => {
  it('sends a status each interval, counted from the last one', () => {
    expect(evaluateStream(quiet, 9_999).action).toBe('none')
    expect(evaluateStream(quiet, 10_000).action).toBe('status')
    expect(evaluateStream({ ...quiet, lastSentAt: 5_000 }, 10_000).action).toBe('none')
  })

  it('sends none of its own accord with an interval of 0', () => {
    expect(evaluateStream({ ...quiet, statusIntervalMs: 0 }, 119_999).action).toBe('none')
  })

  it('still sends while reading is paused, or the server would cut the line: its pings lie unread', () => {
    const paused = { ...quiet, statusIntervalMs: 0, paused: true }
    expect(evaluateStream(paused, 19_999).action).toBe('none')
    expect(evaluateStream(paused, 20_000).action).toBe('status')
  })

  it('still sends while an answer takes its time, or the server would cut the line', () => {
    const answering = { ...quiet, senderTimeoutMs: 6_000, answering: true }
    expect(evaluateStream(answering, 1_999).action).toBe('none')
    expect(evaluateStream(answering, 2_000).action).toBe('status')
    expect(evaluateStream({ ...answering, senderTimeoutMs: 0 }, 9_999).action).toBe('none')
  })

  it('gives the answer that was put off when it is due', () => {
    expect(evaluateStream({ ...quiet, replyDueAt: 1_000 }, 999).action).toBe('none')
    expect(evaluateStream({ ...quiet, replyDueAt: 1_000 }, 1_000).action).toBe('status')
  })

  it('asks a silent server for a sign of life, and gives up after as long again', () => {
    const silent = { ...quiet, lastSentAt: 119_000 }
    expect(evaluateStream(silent, 120_000).action).toBe('ping')
    const asked = { ...silent, pingedAt: 120_000, lastSentAt: 235_000 }
    expect(evaluateStream(asked, 239_999).action).toBe('none')
    expect(evaluateStream(asked, 240_000).action).toBe('dead')
  })

  it('does not call a server dead while nothing is being read', () => {
    expect(evaluateStream({ ...quiet, paused: true, lastSentAt: 500_000 }, 500_001).action).toBe('none')
    expect(evaluateStream({ ...quiet, pingTimeoutMs: 0, lastSentAt: 500_000 }, 500_001).action).toBe('none')
  })

  it('looks again no later than the next thing that can be due', () => {
    expect(evaluateStream(quiet, 9_700).lookAgainMs).toBe(300)
    expect(evaluateStream(quiet, 100).lookAgainMs).toBe(1_000)
  })
})
