export { ArchiveIndexer, type ArchiveIndexerOptions } from './archive-indexer.js'
export type { KeptFile, KeptInventory, KeptWal } from './kept-wal.js'
export {
  type ListedSegment,
  type ListedTimeline,
  listWal,
  type RecoveryWindow,
  type SegmentRange,
  type TimeCovered,
  type WalList,
} from './list-wal.js'
export { isRewrite, type Located, type LocateQuery, locate, type RecoveryTarget } from './locate.js'
export { type Commits, indexedCommits, readCommits } from './segment-commits.js'
export type { EndedTransaction, RelationWork } from './transactions.js'
