import { describe, expect, it } from 'vitest'
import { type CompressionSpec, parseCompression } from '../../src/codec/index.js'

const accepted: [string, CompressionSpec][] = [
  ['', { algorithm: 'none', level: undefined }],
  ['0', { algorithm: 'none', level: undefined }],
  ['00', { algorithm: 'none', level: undefined }],
  ['none', { algorithm: 'none', level: undefined }],
  ['none:0', { algorithm: 'none', level: undefined }],
  ['5', { algorithm: 'gzip', level: 5 }],
  [' +5', { algorithm: 'gzip', level: 5 }],
  ['-1', { algorithm: 'gzip', level: undefined }],
  ['gzip', { algorithm: 'gzip', level: undefined }],
  ['gzip:-1', { algorithm: 'gzip', level: undefined }],
  ['gzip:9', { algorithm: 'gzip', level: 9 }],
  ['gzip: 5', { algorithm: 'gzip', level: 5 }],
  ['gzip:level=1,level=3', { algorithm: 'gzip', level: 3 }],
  ['lz4', { algorithm: 'lz4', level: undefined }],
  ['lz4:0', { algorithm: 'lz4', level: undefined }],
  ['lz4:12', { algorithm: 'lz4', level: 12 }],
  ['lz4:level=1', { algorithm: 'lz4', level: 1 }],
]

const invalid = 'invalid compression specification: '
const refused: [string, string][] = [
  ['bad', 'unrecognized compression algorithm: "bad"'],
  ['GZIP', 'unrecognized compression algorithm: "GZIP"'],
  ['gzip ', 'unrecognized compression algorithm: "gzip "'],
  ['9x', 'unrecognized compression algorithm: "9x"'],
  ['0x5', 'unrecognized compression algorithm: "0x5"'],
  ['5 ', 'unrecognized compression algorithm: "5 "'],
  ['gzip:', `${invalid}found empty string where a compression option was expected`],
  ['gzip:level=5,', `${invalid}found empty string where a compression option was expected`],
  ['gzip:5 ', `${invalid}unrecognized compression option: "5 "`],
  ['gzip:foo', `${invalid}unrecognized compression option: "foo"`],
  ['gzip:level', `${invalid}compression option "level" requires a value`],
  ['gzip:level=', `${invalid}value for compression option "level" must be an integer`],
  ['gzip:level=x', `${invalid}value for compression option "level" must be an integer`],
  [
    'gzip:0',
    `${invalid}compression algorithm "gzip" expects a compression level between 1 and 9 (default at -1)`,
  ],
  [
    '10',
    `${invalid}compression algorithm "gzip" expects a compression level between 1 and 9 (default at -1)`,
  ],
  [
    '4294967296',
    `${invalid}compression algorithm "gzip" expects a compression level between 1 and 9 (default at -1)`,
  ],
  [
    'lz4:13',
    `${invalid}compression algorithm "lz4" expects a compression level between 1 and 12 (default at 0)`,
  ],
  ['none:1', `${invalid}compression algorithm "none" does not accept a compression level`],
  ['gzip:workers=2', `${invalid}compression algorithm "gzip" does not accept a worker count`],
  ['gzip:workers=x', `${invalid}value for compression option "workers" must be an integer`],
  ['gzip:long', `${invalid}compression algorithm "gzip" does not support long-distance mode`],
  ['lz4:long=off', `${invalid}compression algorithm "lz4" does not support long-distance mode`],
  ['lz4:long=perhaps', `${invalid}value for compression option "long" must be a Boolean value`],
  ['zstd', 'compression with ZSTD is not yet supported'],
  ['zstd:level=3,workers=2,long', 'compression with ZSTD is not yet supported'],
  [
    'zstd:23',
    `${invalid}compression algorithm "zstd" expects a compression level between -131072 and 22 (default at 3)`,
  ],
]

describe('parseCompression', () => {
  it.each(accepted)('accepts %j', (text, spec) => {
    expect(parseCompression(text)).toEqual(spec)
  })

  it.each(refused)('refuses %j', (text, message) => {
    expect(() => parseCompression(text)).toThrow(
      expect.objectContaining({ message, code: 'INVALID_COMPRESSION' }),
    )
  })
})
