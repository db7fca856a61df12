import type { SegmentIndex } from '../records/index.js'
import { parseTimelineHistory } from '../wal/index.js'
import type { KeptFile, KeptWal } from './kept-wal.js'
import { LineFacts } from './line-facts.js'
import { storedIndex } from './stored-index.js'

/** The earliest and the latest commit in a segment, in microseconds since 2000-01-01 UTC; null: there is none. */
export type Commits = { readonly first: bigint; readonly last: bigint } | null

/** By the index that is kept with it. @returns undefined when there is none */
export async function indexedCommits(
  kept: Pick<KeptWal, 'readIndex'>,
  file: KeptFile,
  signal: AbortSignal,
): Promise<Commits | undefined> {
  const index = await storedIndex(kept, file, signal)
  return index === null ? undefined : commitsOf(index)
}

/** By reading it. @returns undefined when it cannot be read, or not be understood */
export async function readCommits(
  kept: KeptWal,
  file: KeptFile,
  segmentSize: number,
  signal: AbortSignal,
): Promise<Commits | undefined> {
  const { timeline } = file
  const history = timeline === 1 ? null : await kept.readHistory(timeline, signal)
  const ancestors = history === null ? null : parseTimelineHistory(history)
  const line = new LineFacts({ kept, files: [file], segmentSize, timeline, ancestors, signal })
  const index = await line.index(0)
  return index === null ? undefined : commitsOf(index)
}

function commitsOf({ firstCommitTime, lastCommitTime }: SegmentIndex): Commits {
  return firstCommitTime === null || lastCommitTime === null
    ? null
    : { first: firstCommitTime, last: lastCommitTime }
}
