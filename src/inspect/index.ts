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
export { locate } from './locate.js'
export type { Located, LocateQuery, RecoveryTarget } from './locate-query.js'
export { type Commits, indexedCommits, readCommits } from './segment-commits.js'
export { type EndedTransaction, isRewrite, type RelationWork } from './transactions.js'
