import { segmentStart } from '../wal/index.js'
import type { CommitTimes } from './commit-times.js'
import type { PrunableFile } from './prunable-wal.js'
import type { PlannedWindow, WindowChange } from './prune-plan.js'
import { filesOfLine, type KeptTimeline, type Line, leadsThrough } from './timeline-lines.js'

/** What recoveries can use, before and after, for each timeline that goes further than those that branch off from it. */
export async function windowChanges(
  timelines: readonly KeptTimeline[],
  lines: readonly Line[],
  goes: ReadonlySet<PrunableFile>,
  times: CommitTimes,
  segmentSize: number,
): Promise<WindowChange[]> {
  const changes: WindowChange[] = []
  for (const line of lines) {
    const last = timelines.find(({ timeline }) => timeline === line.timeline)?.files.at(-1)
    if (last === undefined) continue
    const isLeft = lines.some((other) => other !== line && leadsThrough(other, last.timeline, last.segment))
    if (isLeft) continue
    const files = filesOfLine(line, timelines)
    const before = await windowOf(files, times, segmentSize)
    if (before === null) continue
    const after = await windowOf(
      files.filter((file) => !goes.has(file)),
      times,
      segmentSize,
    )
    changes.push({ timeline: line.timeline, before, after })
  }
  return changes
}

/** The newest stretch without a hole. */
async function windowOf(
  files: readonly PrunableFile[],
  times: CommitTimes,
  segmentSize: number,
): Promise<PlannedWindow | null> {
  const last = files.at(-1)
  if (last === undefined) return null
  let begin = files.length - 1
  while (begin > 0 && files[begin - 1]!.segment + 1n === files[begin]!.segment) begin--
  const run = files.slice(begin)
  const end = last.kind === 'segment' ? last.segment + 1n : last.segment
  return {
    from: segmentStart(run[0]!.segment, segmentSize),
    to: segmentStart(end, segmentSize),
    commits: await times.spanByIndexes(run),
  }
}
