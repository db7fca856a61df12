export { applyPrune, type PruneResult } from './apply-prune.js'
export { ArchiveWal } from './archive-wal.js'
export type { PruneProblem } from './chain-check.js'
export type { CommitSpan, CommitTimeSource, SegmentCommits } from './commit-times.js'
export { DirectoryWal } from './directory-wal.js'
export { PruneError, type PruneErrorCode } from './errors.js'
export type { Departure } from './kept-ranges.js'
export { planPrune } from './plan-prune.js'
export type { KnownBackup, LockedUntil, PrunableFile, PrunableWal } from './prunable-wal.js'
export type {
  Fate,
  PlannedStretch,
  PlannedWindow,
  PrunePlan,
  PruneRules,
  WindowChange,
} from './prune-plan.js'
export { readBackup } from './read-backup.js'
