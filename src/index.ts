/**
 * The library's door: re-exports only.
 *
 * @packageDocumentation
 */
export { type Backoff, WalshipError, type WalshipErrorOptions } from './base/index.js'
export { type CompressionAlgorithm, type CompressionSpec, parseCompression } from './codec/index.js'
export * from './consume/index.js'
export * from './monitor/index.js'
export * from './pg/index.js'
export * from './pgoutput/index.js'
export * from './receive/index.js'
export type { WalProblem, WalProblemKind } from './records/index.js'
export {
  dateToPgTime,
  formatLsn,
  INVALID_LSN,
  isSegmentFileName,
  isValidSegmentSize,
  type Lsn,
  type LsnLike,
  lsnAdd,
  lsnDiff,
  parseLsn,
  parseSegmentFileName,
  pgTimeToDate,
  type SegmentName,
  segmentFileName,
  segmentFloor,
  segmentNumber,
  segmentOffset,
  segmentStart,
} from './wal/index.js'
