export {
  type CompressionAlgorithm,
  type CompressionSpec,
  fileExtension,
  NO_COMPRESSION,
  parseCompression,
} from './compression-spec.js'
export { createCompressor } from './compressor.js'
export type { Compressor, CompressorOutput } from './compressor-contract.js'
export { type Content, contentOf } from './content.js'
export type { ContentReader, ContentReading, ReaderSource } from './content-reader.js'
export {
  type ByteSource,
  contentSize,
  decompress,
  firstContentBytes,
  type RecoverableContent,
  recoverable,
} from './decompress.js'
export { CorruptStreamError } from './errors.js'
export { type Packed, pack } from './pack.js'
export {
  DEFAULT_STORE_COMPRESSION,
  hasZstd,
  parseStoreCompression,
  STORE_ALGORITHMS,
  type StoreAlgorithm,
  type StoreCompression,
  storeExtension,
} from './store-compression.js'
export { compressBuffer, decompressBuffer } from './whole-buffer.js'
