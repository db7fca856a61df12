export { isLoopback } from './access.js'
export { buildSnapshot } from './build-snapshot.js'
export { joinRanges, windowOf } from './coverage.js'
export {
  type ArchiveState,
  type CommitWindow,
  type CoverageState,
  DEFAULT_THRESHOLDS,
  type LsnRange,
  type StatusFacts,
  type Thresholds,
} from './facts.js'
export { type Fleet, fleetOf, oneLine, statusOf } from './fleet.js'
export { renderFleetText } from './fleet-text.js'
export { HISTORY_INTERVAL_MS, History, type HistoryPoint } from './history.js'
export { METRICS, type MetricDeclaration } from './metric-table.js'
export { renderMetrics } from './metrics.js'
export { type Age, PositionMarks } from './position-marks.js'
export { bytesText, durationText } from './quantity-text.js'
export {
  type Counters,
  DISASTERS,
  type ErrorFacts,
  POSITION_NAMES,
  type RecentEvent,
  type SlotFacts,
  type StatusSnapshot,
  type StreamState,
} from './snapshot.js'
export { StatusServer, type StatusServerOptions } from './status-server.js'
export { renderStatusText } from './status-text.js'
