import { ArchiveSource } from './archive-source.js'
import { DirectorySource } from './directory-source.js'
import type { WalSource, WalSourceSpec } from './wal-source.js'

/** @throws WalshipError when the store does not answer, or is no archive */
export async function openSource(spec: WalSourceSpec): Promise<WalSource> {
  return spec.kind === 'directory' ? new DirectorySource(spec.path) : ArchiveSource.open(spec)
}
