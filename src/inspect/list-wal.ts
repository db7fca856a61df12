import type { SegmentIndex } from '../records/index.js'
import { type Lsn, segmentStart } from '../wal/index.js'
import type { KeptFile, KeptInventory, KeptWal } from './kept-wal.js'
import { LineFacts } from './line-facts.js'
import { filesOfLine, leaves, readTimelines, type Timeline } from './timelines.js'

/** Moments in microseconds since 2000-01-01 UTC; null where no commit was found. */
export interface TimeCovered {
  readonly firstCommitTime: bigint | null
  readonly lastCommitTime: bigint | null
}

/** Segments of a timeline without a break. */
export interface SegmentRange extends TimeCovered {
  readonly firstSegment: string
  readonly lastSegment: string
  readonly from: Lsn
  /** Where what is kept ends; within a segment when the last one is open. */
  readonly to: Lsn
  readonly segments: number
  /** bytes of WAL */
  readonly bytes: number
  /** What they take where they are kept; null when that is not known. */
  readonly storedBytes: number | null
}

export interface TimelineGap {
  readonly from: Lsn
  readonly to: Lsn
  /** It was accepted knowingly. */
  readonly isRecorded: boolean
}

export interface ListedTimeline {
  readonly timeline: number
  /** Null for timeline 1, and where the history file is missing. */
  readonly parent: { readonly timeline: number; readonly switchPoint: Lsn } | null
  readonly ranges: readonly SegmentRange[]
  readonly gaps: readonly TimelineGap[]
}

/** What a recovery to one timeline can reach: a backup that began in it, recovered to any moment behind its end. */
export interface RecoveryWindow extends TimeCovered {
  readonly timeline: number
  readonly from: Lsn
  readonly to: Lsn
}

export interface ListedSegment {
  readonly file: KeptFile
  /** Null when the segment cannot be used. */
  readonly index: SegmentIndex | null
}

export interface WalList {
  readonly source: string
  readonly systemIdentifier: bigint
  readonly segmentSize: number
  readonly timelines: readonly ListedTimeline[]
  /** For each timeline from which none branches off. */
  readonly windows: readonly RecoveryWindow[]
  /** All, when they were asked for. */
  readonly segments: readonly ListedSegment[] | null
  /** Segments that cannot be used, with the reason. */
  readonly unusable: ReadonlyMap<string, string>
}

/**
 * Tells what WAL is kept, and which moments it covers. Reads only what the ends of ranges need.
 *
 * @param options.segments tell of each segment too
 * @throws WalshipError when the place cannot be read
 */
export async function listWal(
  kept: KeptWal,
  options: { readonly segments: boolean; readonly signal: AbortSignal },
): Promise<WalList> {
  const { signal } = options
  const inventory = await kept.inventory(signal)
  const { segmentSize } = inventory
  const timelines = await readTimelines(kept, inventory, signal)
  const knownTo = new LineFacts({ kept, files: [], segmentSize, timeline: 1, ancestors: [], signal })
  const lineOf = ({ timeline, ancestors }: Timeline, files: readonly KeptFile[]) =>
    new LineFacts({ kept, files, segmentSize, timeline, ancestors, signal, knownTo })
  const unusable = new Map<string, string>()
  const note = (line: LineFacts) => {
    for (const [name, reason] of line.unusable) unusable.set(name, reason)
  }
  const listed: ListedTimeline[] = []
  const segments: ListedSegment[] = []
  for (const timeline of timelines) {
    const line = lineOf(timeline, timeline.files)
    const ranges: SegmentRange[] = []
    for (const [first, last] of runsOf(timeline.files))
      ranges.push(await rangeOf(line, first, last, segmentSize))
    if (options.segments)
      for (let number = 0; number < timeline.files.length; number++) {
        if (number % 16 === 0) await line.prepare(number)
        segments.push({ file: timeline.files[number]!, index: await line.index(number) })
      }
    note(line)
    listed.push({
      timeline: timeline.timeline,
      parent: timeline.ancestors?.at(-1) ?? null,
      ranges,
      gaps: gapsOf(timeline, inventory),
    })
  }
  const windows: RecoveryWindow[] = []
  for (const leaf of leaves(timelines)) {
    const line = lineOf(leaf, filesOfLine(timelines, leaf, segmentSize))
    const newest = runsOf(line.files).at(-1)
    if (newest === undefined) continue
    const { from, to, firstCommitTime, lastCommitTime } = await rangeOf(line, ...newest, segmentSize)
    note(line)
    windows.push({ timeline: leaf.timeline, from, to, firstCommitTime, lastCommitTime })
  }
  const { name: source } = kept
  const { systemIdentifier } = inventory
  return {
    source,
    systemIdentifier,
    segmentSize,
    timelines: listed,
    windows,
    segments: options.segments ? segments : null,
    unusable,
  }
}

/** First and last number of files that follow on each other. */
function runsOf(files: readonly KeptFile[]): [number, number][] {
  const runs: [number, number][] = []
  files.forEach(({ segment }, number) => {
    const run = runs.at(-1)
    if (run !== undefined && files[number - 1]!.segment + 1n === segment) run[1] = number
    else runs.push([number, number])
  })
  return runs
}

async function rangeOf(
  line: LineFacts,
  first: number,
  last: number,
  segmentSize: number,
): Promise<SegmentRange> {
  const files = line.files.slice(first, last + 1)
  const sizes = files.map(({ storedBytes }) => storedBytes)
  const start = segmentStart(files[0]!.segment, segmentSize)
  const lastFile = files.at(-1)!
  const to = await endOf(line, last, segmentSize)
  let firstCommitTime: bigint | null = null
  for (let number = first; number <= last && firstCommitTime === null; number++)
    firstCommitTime = (await line.index(number))?.firstCommitTime ?? null
  let lastCommitTime: bigint | null = null
  for (let number = last; number >= first && lastCommitTime === null; number--)
    lastCommitTime = (await line.index(number))?.lastCommitTime ?? null
  return {
    firstSegment: files[0]!.name.slice(0, 24),
    lastSegment: lastFile.name.slice(0, 24),
    from: start,
    to,
    segments: files.length,
    bytes: Number(to - start),
    storedBytes: sizes.includes(undefined) ? null : sizes.reduce<number>((sum, size) => sum + size!, 0),
    firstCommitTime,
    lastCommitTime,
  }
}

/** A segment of a server's pg_wal, and parts of one, end where the last record does. */
async function endOf(line: LineFacts, number: number, segmentSize: number): Promise<Lsn> {
  const { kind, segment } = line.files[number]!
  const index = await line.index(number)
  const end = segmentStart(segment + 1n, segmentSize)
  if (kind === 'segment' && (index === null || index.unfinished !== null)) return end
  return index?.endLsn ?? (kind === 'segment' ? end : segmentStart(segment, segmentSize))
}

function gapsOf({ timeline, files }: Timeline, { gaps, segmentSize }: KeptInventory): TimelineGap[] {
  const found: TimelineGap[] = []
  files.slice(1).forEach(({ segment }, index) => {
    const before = files[index]!.segment
    if (before + 1n === segment) return
    const from = segmentStart(before + 1n, segmentSize)
    const to = segmentStart(segment, segmentSize)
    const isRecorded = gaps.some((gap) => gap.timeline === timeline && gap.from < to && gap.to > from)
    found.push({ from, to, isRecorded })
  })
  return found
}
