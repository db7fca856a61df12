import { STORE_ALGORITHMS, type StoreAlgorithm, storeExtension } from '../codec/index.js'
import { indexKey, walKey } from './archive-layout.js'
import type { ArchiveObjects } from './archive-objects.js'
import type { ObjectStore, OperationOptions } from './object-store.js'

/** The index of a segment that is in the archive. */
export interface StoredIndex {
  readonly content: Buffer
  /** SHA-256 of the segment, as its own object says: an index of other bytes is not its index. */
  readonly segmentSha256: string
}

const MAX_INDEX_SIZE = 16 * 1024 * 1024

/** Stores a segment's index; one that is there already stays. */
export async function storeIndex(
  store: ObjectStore,
  name: string,
  format: number,
  content: Buffer,
  { signal }: OperationOptions,
): Promise<void> {
  await store.put(indexKey(name, format), content, { kind: 'index', ifAbsent: true, signal })
}

/**
 * @param algorithm the segment is looked for with this one first
 * @returns null when there is none, or when its segment is not there
 */
export async function readIndex(
  objects: ArchiveObjects,
  algorithm: StoreAlgorithm,
  name: string,
  format: number,
  options: OperationOptions,
): Promise<StoredIndex | null> {
  const [index, segmentSha256] = await Promise.all([
    objects.store.get(indexKey(name, format), { ...options, maxSize: MAX_INDEX_SIZE }),
    sha256OfSegment(objects, algorithm, name, options),
  ])
  return index === null || segmentSha256 === null ? null : { content: index.body, segmentSha256 }
}

async function sha256OfSegment(
  objects: ArchiveObjects,
  algorithm: StoreAlgorithm,
  name: string,
  options: OperationOptions,
): Promise<string | null> {
  const others = STORE_ALGORITHMS.filter((other) => other !== algorithm)
  for (const each of [algorithm, ...others]) {
    const sha256 = await objects.sha256Of(walKey(name, storeExtension(each)), options)
    if (sha256 !== null) return sha256
  }
  return null
}
