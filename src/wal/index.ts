export {
  formatLsn,
  INVALID_LSN,
  type Lsn,
  type LsnLike,
  lsnAdd,
  lsnDiff,
  lsnMax,
  lsnMin,
  parseLsn,
  toLsn,
} from './lsn.js'
export {
  DEFAULT_WAL_BLOCK_SIZE,
  LONG_PAGE_HEADER_SIZE,
  type LongPageHeader,
  parseLongPageHeader,
  SHORT_PAGE_HEADER_SIZE,
  XLP_ALL_FLAGS,
  XLP_FIRST_IS_CONTRECORD,
  XLP_FIRST_IS_OVERWRITE_CONTRECORD,
  XLP_LONG_HEADER,
} from './page-header.js'
export { dateToPgTime, formatPgTime, parsePgTime, pgTimeToDate } from './pg-time.js'
export {
  DEFAULT_SEGMENT_SIZE,
  historyFileName,
  isSegmentFileName,
  isValidSegmentSize,
  MAX_SEGMENT_SIZE,
  MIN_SEGMENT_SIZE,
  parseSegmentFileName,
  type SegmentName,
  segmentFileName,
  segmentFloor,
  segmentNumber,
  segmentOffset,
  segmentStart,
} from './segment.js'
export { type Ancestor, parseTimelineHistory } from './timeline-history.js'
