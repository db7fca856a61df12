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
export { LONG_PAGE_HEADER_SIZE, type LongPageHeader, parseLongPageHeader } from './page-header.js'
export { dateToPgTime, pgTimeToDate } from './pg-time.js'
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
