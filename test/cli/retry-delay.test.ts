import { describe, expect, it } from 'vitest'
import { WalshipError } from '../../src/base/index.js'
import { retryDelayMs } from '../../src/cli/retry-delay.js'
import { ServerError } from '../../src/pg/index.js'

const lost = new WalshipError('lost', { code: 'PG_CONNECTION_LOST' })

describe('retryDelayMs', () => {
  it('grows from one second to one minute, with the upper half random', () => {
    const longest = [1, 2, 3, 4, 5, 6, 7, 8, 1000].map((attempt) => retryDelayMs(attempt, lost, () => 1))
    expect(longest).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
    expect(retryDelayMs(1, lost, () => 0)).toBe(500)
    expect(retryDelayMs(9, lost, () => 0)).toBe(30_000)
  })

  it('is five seconds at least after an orderly shutdown', () => {
    const ended = new WalshipError('terminated', { code: 'RECEIVE_SERVER_SHUTDOWN' })
    const refused = new ServerError({ severity: 'FATAL', sqlState: '57P03', message: 'starting up' })
    const wrapped = new WalshipError('could not connect', { code: 'X', cause: refused })
    for (const error of [ended, refused, wrapped]) {
      expect(retryDelayMs(1, error, () => 0)).toBe(5000)
      expect(retryDelayMs(7, error, () => 1)).toBe(60_000)
    }
  })
})
