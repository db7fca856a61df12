import { describe, expect, it } from 'vitest'
import { IdleProgress } from '../../src/pg/idle-progress.js'
import { toLsn } from '../../src/wal/index.js'

/** d = data at, k = keepalive at, a = acknowledged up to. */
function after(...events: string[]): bigint {
  const progress = new IdleProgress()
  for (const event of events) {
    const lsn = toLsn(BigInt(event.slice(1)))
    if (event[0] === 'd') progress.onData(lsn)
    else if (event[0] === 'k') progress.onKeepalive(lsn)
    else progress.onAcknowledged(lsn)
  }
  return progress.flushable
}

describe('what may be reported as flushed on a quiet stream', () => {
  it.each([
    ['nothing was ever sent', ['k50'], 50n],
    ['everything is acknowledged', ['d40', 'a40', 'k50'], 50n],
    ['it was acknowledged after the keepalive', ['d40', 'k50', 'a40'], 50n],
    ['something is not acknowledged', ['d40', 'k50'], 0n],
    ['only a part is acknowledged', ['d30', 'd40', 'a30', 'k50'], 0n],
    ['a message came after the keepalive', ['k50', 'd60', 'a60'], 0n],
    ['a message without a position came after it', ['d40', 'a40', 'k50', 'd0'], 0n],
    ['a message without a position changes nothing that is due', ['d40', 'd0', 'k50'], 0n],
    ['a keepalive did not acknowledge what follows it', ['k50', 'd60', 'k70'], 0n],
    ['an earlier change of a later transaction is under way', ['d40', 'a40', 'd20', 'k50'], 50n],
  ])('%s', (_what, events, expected) => {
    expect(after(...events)).toBe(expected)
  })
})
