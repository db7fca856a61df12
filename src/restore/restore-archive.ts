import type { WalArchive } from '../store/index.js'

/** What restoring needs of an archive. */
export type RestoreArchive = Pick<
  WalArchive,
  'name' | 'identity' | 'getSegment' | 'getHistory' | 'listTailParts' | 'readTailPart'
>
