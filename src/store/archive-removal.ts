import { historiesIn } from './archive-inventory.js'
import { type GapRange, gapKey, indexKey, parseTailKey, parseWalKey } from './archive-layout.js'
import { gapsIn } from './gap-records.js'
import type { ObjectLock, ObjectStore, OperationOptions } from './object-store.js'

/** What an archive keeps under one name: the objects of a segment, or the parts of an open one. */
export interface StoredWal {
  /** 24 digits, or these and `.partial`. */
  readonly name: string
  readonly isTail: boolean
  readonly keys: readonly string[]
  /** bytes */
  readonly size: number
  /** The latest time at which one of the objects was stored; null where the store does not say. */
  readonly storedAt: Date | null
}

/** What an archive holds, with what it takes to remove it. */
export interface RemovableInventory {
  readonly wal: readonly StoredWal[]
  /** Timelines that have a history file. These files stay. */
  readonly histories: readonly number[]
  readonly gaps: readonly GapRange[]
}

/** Removes WAL from an archive. What is needed, the caller has to know; the identity and history files never go. */
export class ArchiveRemoval {
  readonly #store: ObjectStore

  /** Use `WalArchive.removal`. */
  constructor(store: ObjectStore) {
    this.#store = store
  }

  async inventory(options: OperationOptions = {}): Promise<RemovableInventory> {
    const wal = new Map<string, StoredWal>()
    const add = (name: string, isTail: boolean, key: string, size: number, storedAt: Date | undefined) => {
      const id = `${isTail} ${name}`
      const other = wal.get(id)
      wal.set(id, {
        name,
        isTail,
        keys: [...(other?.keys ?? []), key],
        size: size + (other?.size ?? 0),
        storedAt: latest(storedAt ?? null, other),
      })
    }
    for await (const { key, size, storedAt } of this.#store.list('wal/', options)) {
      const object = parseWalKey(key)
      if (object !== null) add(object.name, false, key, size, storedAt)
    }
    for await (const { key, size, storedAt } of this.#store.list('tail/', options)) {
      const part = parseTailKey(key)
      if (part !== null) add(part.name, true, key, size, storedAt)
    }
    const histories = await historiesIn(this.#store, options)
    const gaps = await gapsIn(this.#store, options)
    return { wal: [...wal.values()], histories, gaps }
  }

  /** The longest lock of its objects; see `ObjectStore.lockOf`. */
  async lockOf(
    what: Pick<StoredWal, 'keys'> | GapRange,
    options: OperationOptions = {},
  ): Promise<ObjectLock | null> {
    const keys = 'keys' in what ? what.keys : [gapKey(what)]
    const locks = await Promise.all(keys.map((key) => this.#store.lockOf(key, options)))
    return locks.reduce(longer, null)
  }

  /**
   * @param names of segments, 24 digits each
   * @param formats of indexes that there may be
   */
  async removeIndexes(
    names: readonly string[],
    formats: readonly number[],
    options: OperationOptions = {},
  ): Promise<void> {
    const keys = names.flatMap((name) => formats.map((format) => indexKey(name, format)))
    await this.#store.delete(keys, options)
  }

  async remove({ keys }: Pick<StoredWal, 'keys'>, options: OperationOptions = {}): Promise<void> {
    await this.#store.delete(keys, options)
  }

  async removeGap(gap: GapRange, options: OperationOptions = {}): Promise<void> {
    await this.#store.delete([gapKey(gap)], options)
  }
}

/** Null where one of them does not say. */
function latest(storedAt: Date | null, other: StoredWal | undefined): Date | null {
  if (other === undefined) return storedAt
  if (storedAt === null || other.storedAt === null) return null
  return storedAt > other.storedAt ? storedAt : other.storedAt
}

function longer(a: ObjectLock | null, b: ObjectLock | null): ObjectLock | null {
  if (a === 'released' || b === 'released') return 'released'
  return a === null || (b !== null && b > a) ? b : a
}
