import { describe, expect, it } from 'vitest'
import { UsageError } from '../../src/pg/index.js'
import { textDecoding } from '../../src/pg/text-decoding.js'

describe('text in the encodings of servers', () => {
  it.each([
    ['UTF8', [0x6e, 0xc3, 0xaf], 'nï'],
    ['SQL_ASCII', [0xc3, 0xaf], 'ï'],
    ['LATIN1', [0xe4, 0x80], 'ä\x80'],
    ['LATIN9', [0xa4], '€'],
    ['WIN1251', [0xcf, 0xf0], 'Пр'],
    ['EUC_JP', [0xc6, 0xfc], '日'],
    ['KOI8R', [0xf0], 'П'],
    ['windows-1252', [0x80], '€'],
  ])('%s', (encoding, bytes, expected) => {
    expect(textDecoding(encoding)(Buffer.from(bytes))).toBe(expected)
  })

  it('puts a replacement character where there is no character, and goes on', () => {
    expect(textDecoding('UTF8')(Buffer.from([0x61, 0xff, 0x62]))).toBe('a\uFFFDb')
  })

  it('refuses what it cannot read', () => {
    expect(() => textDecoding('MULE_INTERNAL')).toThrow(UsageError)
  })

  it.each(
    'BIG5 EUC_CN EUC_JP EUC_KR GB18030 GBK ISO_8859_5 ISO_8859_6 ISO_8859_7 ISO_8859_8 KOI8R KOI8U LATIN2 LATIN3 LATIN4 LATIN5 LATIN6 LATIN7 LATIN8 SJIS UHC WIN866 WIN874 WIN1250 WIN1252 WIN1253 WIN1254 WIN1255 WIN1256 WIN1257 WIN1258'.split(
      ' ',
    ),
  )('knows %s', (encoding) => {
    expect(textDecoding(encoding)(Buffer.from('x'))).toBe('x')
  })
})
