import { crc32c } from '@node-rs/crc32'
import { describe, expect, it } from 'vitest'
import { extendCrc32c } from '../../src/records/index.js'

const TEXT = Buffer.from('123456789')

describe('extendCrc32c', () => {
  it('gives the check value of the catalogue', () => {
    expect(extendCrc32c(0, TEXT, 0, 9) >>> 0).toBe(0xe3069283)
  })

  it('goes on where it was, however the bytes are cut', () => {
    for (let cut = 0; cut <= 9; cut++)
      expect(extendCrc32c(extendCrc32c(0, TEXT, 0, cut), TEXT, cut, 9) >>> 0).toBe(0xe3069283)
  })

  it('gives the same by table and by native code, for every length around the limit', () => {
    const bytes = Buffer.from(Array.from({ length: 600 }, (_, i) => (i * 151) & 255))
    for (let from = 0; from < 8; from++)
      for (let length = 0; length <= 590; length++)
        expect(extendCrc32c(0, bytes, from, from + length) >>> 0).toBe(
          crc32c(bytes.subarray(from, from + length)),
        )
  })
})
