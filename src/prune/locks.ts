import type { LockedUntil, PrunableFile, PrunableWal } from './prunable-wal.js'
import { type Leaving, Obstacles } from './removal-order.js'
import type { Line } from './timeline-lines.js'

/** Asked for at once. */
const AT_ONCE = 16

/** Files that cannot go: because they are locked, or, with null, because another one is that would be cut off. */
export type Locks = ReadonlyMap<PrunableFile, LockedUntil | null>

/**
 * Looks for locks before anything is removed. When the first and the last to go have none, nobody uses them here and
 * the others are not asked; each is asked again right before it is removed.
 *
 * @param ordered in the order of removal
 */
export async function findLocks(
  wal: PrunableWal,
  ordered: readonly Leaving[],
  lineOf: (timeline: number) => Line,
  signal: AbortSignal,
): Promise<Locks> {
  const locks = new Map<PrunableFile, LockedUntil | null>()
  const ask = ({ file }: Leaving) => wal.lockOf(file, signal)
  const ends = ordered.length === 0 ? [] : [ordered[0]!, ordered.at(-1)!]
  if ((await Promise.all(ends.map(ask))).every((lock) => lock === null)) return locks
  for (let at = 0; at < ordered.length; at += AT_ONCE) {
    const group = ordered.slice(at, at + AT_ONCE)
    const found = await Promise.all(group.map(ask))
    found.forEach((lock, index) => {
      if (lock !== null) locks.set(group[index]!.file, lock)
    })
  }
  const obstacles = new Obstacles(lineOf)
  for (const each of ordered) if (locks.has(each.file)) obstacles.add(each)
  for (const each of ordered) if (!locks.has(each.file) && obstacles.hinder(each)) locks.set(each.file, null)
  return locks
}
