import { describe, expect, it } from 'vitest'
import { parseEndPosition, parseStatusInterval } from '../../src/cli/option-values.js'

describe('parseStatusInterval', () => {
  it.each([
    ['10', 10],
    ['0', 0],
    ['-0', 0],
    ['', 0],
    ['  ', 0],
    [' \t+5 \n', 5],
    ['007', 7],
    ['2147483', 2_147_483],
  ])('reads %j as %d', (text, seconds) => {
    expect(parseStatusInterval(text)).toBe(seconds)
  })

  it.each(['5x', '+', 'x', '0x5', '1.5', '1 2', '1e3'])('refuses %j', (text) => {
    expect(() => parseStatusInterval(text)).toThrow(`invalid value "${text}" for option -s/--status-interval`)
  })

  it.each(['-1', '2147484', '99999999999999999999999'])('finds %j out of range', (text) => {
    expect(() => parseStatusInterval(text)).toThrow('-s/--status-interval must be in range 0..2147483')
  })
})

describe('parseEndPosition', () => {
  it.each([
    ['16/B374D848', 0x16_b374_d848n],
    ['0/0000a5zzz', 0xa5n],
    [' 0x1/ 0XfF', 0x1_0000_00ffn],
    ['00000000000F/000000000001', 0xf_0000_0001n],
    ['ffffffff/FFFFFFFF', 0xffff_ffff_ffff_ffffn],
  ])('reads %j', (text, lsn) => {
    expect(parseEndPosition(text)).toBe(lsn)
  })

  it('takes 0/0 for no end', () => {
    expect(parseEndPosition('0/0')).toBeUndefined()
    expect(parseEndPosition('000/0x0')).toBeUndefined()
  })

  it.each(['foo', '', '0', '0/', '/0', '0 /5', '-1/0', '123456789/0', '0/123456789'])(
    'refuses %j',
    (text) => {
      expect(() => parseEndPosition(text)).toThrow(`could not parse end position "${text}"`)
    },
  )
})
