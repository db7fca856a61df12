import type { LockedUntil, PrunableFile, PrunableWal } from './prunable-wal.js'
import type { PrunePlan } from './prune-plan.js'
import { Obstacles } from './removal-order.js'

/** Locks are asked for, and indexes removed, for so many at once; segments go one by one. */
const GROUP = 16

export interface PruneResult {
  /** Files, or objects with their indexes. */
  readonly files: number
  readonly storedBytes: number
  readonly gaps: number
  /** Locked since the plan was made. */
  readonly locked: readonly { readonly file: PrunableFile; readonly until: LockedUntil }[]
  /** Stayed because it would be left on the far side of a hole. */
  readonly held: number
}

/**
 * Removes what a plan says, in its order: whatever ends it, and whenever, what is left has no hole that was not there
 * before.
 *
 * @throws what the place says; what was removed before that is gone
 */
export async function applyPrune(
  wal: PrunableWal,
  plan: PrunePlan,
  signal: AbortSignal,
): Promise<PruneResult> {
  const { goes } = plan
  const obstacles = new Obstacles((timeline) => plan.lines.get(timeline)!)
  const locked: { file: PrunableFile; until: LockedUntil }[] = []
  let files = 0
  let storedBytes = 0
  let held = 0
  for (let at = 0; at < goes.length; at += GROUP) {
    const group = goes.slice(at, at + GROUP)
    const locks = await Promise.all(group.map(({ file }) => wal.lockOf(file, signal)))
    locks.forEach((until, index) => {
      if (until === null) return
      locked.push({ file: group[index]!.file, until })
      obstacles.add(group[index]!)
    })
    const free = group.filter((each, index) => locks[index] === null && !obstacles.hinder(each))
    held += group.length - free.length - locks.filter((until) => until !== null).length
    await wal.removeIndexes(
      free.map(({ file }) => file),
      signal,
    )
    for (const { file } of free) {
      signal.throwIfAborted()
      await wal.remove(file, signal)
      files++
      storedBytes += file.storedBytes
    }
  }
  let gaps = 0
  // While a segment stays that should have gone, the record still tells why there is a hole behind it.
  for (const gap of obstacles.isEmpty ? plan.gapsGo : []) {
    if ((await wal.lockOf(gap, signal)) !== null) continue
    await wal.removeGap(gap, signal)
    gaps++
  }
  return { files, storedBytes, gaps, locked, held }
}
