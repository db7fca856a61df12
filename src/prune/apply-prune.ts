import type { LockedUntil, PrunableFile, PrunableWal } from './prunable-wal.js'
import type { PrunePlan } from './prune-plan.js'
import { type Leaving, type Obstacle, standsBehind } from './removal-order.js'

/** Locks are asked for, and indexes removed, for so many at once; segments go one by one. */
const GROUP = 16

export interface PruneProgress {
  readonly filesDone: number
  readonly filesTotal: number
}

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
  onProgress: (progress: PruneProgress) => void = () => {},
): Promise<PruneResult> {
  const { goes } = plan
  const lineOf = (timeline: number) => plan.lines.get(timeline)!
  const obstacles: Obstacle[] = []
  const locked: { file: PrunableFile; until: LockedUntil }[] = []
  let files = 0
  let storedBytes = 0
  let held = 0
  const mayGo = (each: Leaving) => !obstacles.some((obstacle) => standsBehind(each, obstacle, lineOf))
  for (let at = 0; at < goes.length; at += GROUP) {
    const group = goes.slice(at, at + GROUP)
    const locks = await Promise.all(group.map(({ file }) => wal.lockOf(file, signal)))
    locks.forEach((until, index) => {
      if (until === null) return
      const { file, departure } = group[index]!
      locked.push({ file, until })
      obstacles.push({ timeline: file.timeline, segment: file.segment, departure })
    })
    const free = group.filter((each, index) => locks[index] === null && mayGo(each))
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
      onProgress({ filesDone: files, filesTotal: goes.length })
    }
  }
  let gaps = 0
  // While a segment stays that should have gone, the record still tells why there is a hole behind it.
  for (const gap of obstacles.length > 0 ? [] : plan.gapsGo) {
    if ((await wal.lockOf(gap, signal)) !== null) continue
    await wal.removeGap(gap, signal)
    gaps++
  }
  return { files, storedBytes, gaps, locked, held }
}
