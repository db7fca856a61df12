import { formatLsn } from '../wal/index.js'
import { GAP_FOLDER, type GapRange, gapKey, parseGapKey } from './archive-layout.js'
import type { ObjectStore, OperationOptions } from './object-store.js'

/** Records a hole that was accepted; the same one twice is recorded once. */
export async function putGap(
  store: ObjectStore,
  { timeline, from, to, reason }: GapRange & { readonly reason: string },
  { signal }: OperationOptions,
): Promise<void> {
  const record = { timeline, from: formatLsn(from), to: formatLsn(to), reason }
  const body = Buffer.from(`${JSON.stringify({ ...record, recordedAt: new Date().toISOString() })}\n`)
  await store.put(gapKey({ timeline, from, to }), body, { kind: 'gap', ifAbsent: true, signal })
}

/** Holes that were accepted, in order. */
export async function gapsIn(store: ObjectStore, options: OperationOptions): Promise<GapRange[]> {
  const gaps: GapRange[] = []
  for await (const { key } of store.list(GAP_FOLDER, options)) {
    const gap = parseGapKey(key)
    if (gap !== null) gaps.push(gap)
  }
  return gaps
}
