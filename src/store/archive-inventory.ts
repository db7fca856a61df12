import { HISTORY_FOLDER, parseHistoryKey, parseTailKey, parseWalKey } from './archive-layout.js'
import type { ObjectStore, OperationOptions } from './object-store.js'

/** What an archive holds, by name. */
export interface ArchiveInventory {
  readonly segments: readonly string[]
  readonly tails: readonly string[]
  readonly histories: readonly number[]
  /** Bytes that segments take in the store, by name. */
  readonly storedBytes: ReadonlyMap<string, number>
}

/** Lists all of an archive's WAL, in the order of the keys. */
export async function takeInventory(
  store: ObjectStore,
  { signal }: OperationOptions,
): Promise<ArchiveInventory> {
  const storedBytes = new Map<string, number>()
  for await (const { key, size } of store.list('wal/', { signal })) {
    const object = parseWalKey(key)
    if (object !== null) storedBytes.set(object.name, (storedBytes.get(object.name) ?? 0) + size)
  }
  const tails = new Set<string>()
  for await (const { key } of store.list('tail/', { signal })) {
    const part = parseTailKey(key)
    if (part !== null) tails.add(part.name)
  }
  const histories = await historiesIn(store, { signal })
  return { segments: [...storedBytes.keys()], tails: [...tails], histories, storedBytes }
}

/** Timelines that have a history file, in order. */
export async function historiesIn(store: ObjectStore, options: OperationOptions): Promise<number[]> {
  const timelines: number[] = []
  for await (const { key } of store.list(HISTORY_FOLDER, options)) {
    const timeline = parseHistoryKey(key)
    if (timeline !== null) timelines.push(timeline)
  }
  return timelines
}
