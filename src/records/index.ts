export type { BlockReference, FullPageImage } from './block-references.js'
export { extendCrc32c } from './crc32c.js'
export { droppedNumbers } from './dropped-numbers.js'
export { formatSegmentIndex, INDEX_FORMAT, type IndexedSegment, parseSegmentIndex } from './index-format.js'
export { recordBetween } from './join-record.js'
export type { RelationFile } from './main-data-reader.js'
export { operationName } from './operation-name.js'
export {
  MAX_RECORD_SIZE,
  RESOURCE_MANAGERS,
  resourceManagerName,
} from './record-format.js'
export { RecordMemory } from './record-memory.js'
export { RecordReader, readRecords, type WalPiece } from './record-reader.js'
export { parseRelationRecord, type RelationRecord } from './relation-record.js'
export { type SegmentIndex, SegmentIndexer, xidPrecedes } from './segment-index.js'
export { type Checkpoint, parseServerRecord, type ServerRecord } from './server-record.js'
export { majorOfPageMagic, pageMagicOfMajor } from './server-version.js'
export { parseTransaction, type TransactionRecord } from './transaction-record.js'
export type { WalProblem, WalProblemKind } from './wal-problem.js'
export { WalRecord } from './wal-record.js'
export type { WalScannerOptions } from './wal-scanner.js'
export { WalVerifier } from './wal-verifier.js'
