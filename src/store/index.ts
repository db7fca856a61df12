export type { ArchiveEnd } from './archive-end.js'
export { type ArchiveErrorCode, type ContentFacts, WalArchiveError } from './archive-errors.js'
export type { GapRange } from './archive-layout.js'
export type { ArchiveRemoval, StoredWal } from './archive-removal.js'
export type { ArchiveIdentity } from './cluster-identity.js'
export { StoreError, type StoreErrorCode } from './errors.js'
export { MemoryStore } from './memory-store.js'
export type {
  GetOptions,
  ListedObject,
  ListOptions,
  ObjectInfo,
  ObjectKind,
  ObjectLock,
  ObjectStore,
  OperationOptions,
  PutOptions,
  StoredObject,
  StoreFeatures,
} from './object-store.js'
export { openStore } from './open-store.js'
export { parseStoreOptions, type StoreOptionValues } from './parse-store-options.js'
export { STORE_OPTION_TABLE, type StoreOptionDeclaration } from './s3-option-table.js'
export type { S3Encryption, S3Options, StoreOptions } from './store-options.js'
export type { StoredIndex } from './stored-indexes.js'
export { coveredEnd, type TailPart } from './tail-parts.js'
export {
  type PutSegmentOptions,
  WalArchive,
  type WalArchiveOptions,
} from './wal-archive.js'
