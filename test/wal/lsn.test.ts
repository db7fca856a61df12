import { describe, expect, it } from 'vitest'
import {
  formatLsn,
  INVALID_LSN,
  lsnAdd,
  lsnDiff,
  lsnMax,
  lsnMin,
  parseLsn,
  toLsn,
} from '../../src/wal/index.js'

describe('parseLsn', () => {
  it.each([
    ['0/0', 0n],
    ['0/16B3748', 0x16b3748n],
    ['0/016B3748', 0x16b3748n],
    ['16/b374d848', 0x16b374d848n],
    ['FFFFFFFF/FFFFFFFF', 0xffff_ffff_ffff_ffffn],
  ])('reads %s', (text, value) => {
    expect(parseLsn(text)).toBe(value)
  })

  it.each(['', '0', '0/', '/0', '0/0/0', '0/G', ' 0/0', '0/0 ', '123456789/0', '0/123456789', '-1/0'])(
    'refuses %j',
    (text) => {
      expect(() => parseLsn(text)).toThrow(SyntaxError)
    },
  )

  it('takes numbers only where they are exact', () => {
    expect(parseLsn(4096)).toBe(4096n)
    expect(() => parseLsn(2 ** 53)).toThrow(RangeError)
    expect(() => parseLsn(1.5)).toThrow(RangeError)
    expect(() => parseLsn(-1)).toThrow(RangeError)
  })

  it('refuses bigints out of 64 bits, which psycopg2 wraps silently', () => {
    expect(() => parseLsn(-1n)).toThrow(RangeError)
    expect(() => parseLsn(1n << 64n)).toThrow(RangeError)
    expect(toLsn((1n << 64n) - 1n)).toBe(0xffff_ffff_ffff_ffffn)
  })
})

describe('formatLsn', () => {
  it.each(['0/0', '0/2B00000', '16/B374D848', 'FFFFFFFF/FFFFFFFF', '1/0'])('gives back %s', (text) => {
    expect(formatLsn(parseLsn(text))).toBe(text)
  })
})

describe('arithmetic', () => {
  it('keeps positions and byte counts apart', () => {
    const lsn = parseLsn('0/FFFFFFFF')
    expect(formatLsn(lsnAdd(lsn, 1))).toBe('1/0')
    expect(lsnDiff('0/10', '1/0')).toBe(-0xffff_fff0n)
    expect(lsnMax(lsn, INVALID_LSN)).toBe(lsn)
    expect(lsnMin(lsn, INVALID_LSN)).toBe(INVALID_LSN)
  })
})
