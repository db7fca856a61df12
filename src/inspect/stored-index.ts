import { WalshipError } from '../base/index.js'
import { INDEX_FORMAT, parseSegmentIndex, type SegmentIndex } from '../records/index.js'
import type { KeptFile, KeptWal } from './kept-wal.js'

/**
 * The index that is kept with a segment.
 *
 * @returns null when there is none that can be used: the segment itself says the same
 */
export async function storedIndex(
  kept: Pick<KeptWal, 'readIndex'>,
  file: KeptFile,
  signal: AbortSignal,
): Promise<SegmentIndex | null> {
  if (file.kind !== 'segment') return null
  const stored = await kept.readIndex(file, INDEX_FORMAT, signal).catch((error: unknown) => {
    if (error instanceof WalshipError) return null
    throw error
  })
  if (stored === null) return null
  return parseSegmentIndex(stored.content, { segment: file.name, sha256: stored.segmentSha256 })
}
