import type { CompressionSpec } from './compression-spec.js'
import type { Compressor, CompressorOutput } from './compressor-contract.js'
import { GzipCompressor } from './gzip-compress.js'
import { Lz4Compressor } from './lz4-compress.js'

/**
 * A stream that compresses what it is given and hands the result to `output`, in order.
 *
 * @param spec gzip or lz4; none needs no stream
 */
export function createCompressor(spec: CompressionSpec, output: CompressorOutput): Compressor {
  switch (spec.algorithm) {
    case 'gzip':
      return new GzipCompressor(spec.level, output)
    case 'lz4':
      return new Lz4Compressor(output)
    case 'none':
      throw new TypeError('no compressor for compression "none"')
  }
}
