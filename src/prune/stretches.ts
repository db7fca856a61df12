import { segmentStart } from '../wal/index.js'
import { departureOf, type KeptRange } from './kept-ranges.js'
import type { Locks } from './locks.js'
import type { PrunableFile } from './prunable-wal.js'
import type { Fate, PlannedStretch } from './prune-plan.js'
import type { KeptTimeline } from './timeline-lines.js'

/** What becomes of each file, told in stretches. */
export function plannedStretches(
  timelines: readonly KeptTimeline[],
  ranges: ReadonlyMap<number, KeptRange | null>,
  goes: ReadonlySet<PrunableFile>,
  locks: Locks,
  segmentSize: number,
): PlannedStretch[] {
  return timelines.flatMap(({ files }) => {
    const stretches: PlannedStretch[] = []
    for (const file of files) {
      const one = stretchOf(file, fateOf(file, ranges, goes, locks), segmentSize)
      const last = stretches.at(-1)
      if (last !== undefined && last.to >= one.from && keyOf(last.fate) === keyOf(one.fate))
        stretches[stretches.length - 1] = joined(last, one)
      else stretches.push(one)
    }
    return stretches
  })
}

function stretchOf(file: PrunableFile, fate: Fate, segmentSize: number): PlannedStretch {
  const { timeline, segment, storedBytes } = file
  const name = file.name.slice(0, 24)
  const from = segmentStart(segment, segmentSize)
  const to = segmentStart(segment + 1n, segmentSize)
  return { timeline, firstSegment: name, lastSegment: name, from, to, files: 1, storedBytes, fate }
}

function joined(last: PlannedStretch, next: PlannedStretch): PlannedStretch {
  const { to, lastSegment } = next
  const files = last.files + next.files
  return { ...last, to, lastSegment, files, storedBytes: last.storedBytes + next.storedBytes }
}

function fateOf(
  file: PrunableFile,
  ranges: ReadonlyMap<number, KeptRange | null>,
  goes: ReadonlySet<PrunableFile>,
  locks: Locks,
): Fate {
  const departure = departureOf(file, ranges)
  if (departure === null) return { kind: 'stays', why: ranges.get(file.timeline)?.why ?? '' }
  if (goes.has(file)) return { kind: 'goes', departure }
  const until = locks.get(file) ?? null
  return until === null ? { kind: 'behind-lock' } : { kind: 'locked', until }
}

/** Locks of neighbours end at different moments: they are one stretch, told with the first of them. */
function keyOf(fate: Fate): string {
  return fate.kind === 'goes' ? `goes ${fate.departure}` : fate.kind
}
