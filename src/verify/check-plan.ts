import { MAX_RECORD_SIZE } from '../records/index.js'
import {
  type Ancestor,
  formatLsn,
  type Lsn,
  segmentFileName,
  segmentNumber,
  segmentStart,
} from '../wal/index.js'
import type { VerifyProblem } from './verify-problem.js'
import type { WalFile, WalInventory } from './wal-source.js'

/** What is known of a timeline before its WAL is read. */
export interface Chain {
  readonly timeline: number
  /** Null when its history file is missing or cannot be read. */
  readonly ancestors: readonly Ancestor[] | null
  /** In order, the best one of each segment. */
  readonly files: readonly WalFile[]
}

/** Files that follow on each other, to be checked in one go. */
export interface Run {
  readonly timeline: number
  readonly ancestors: readonly Ancestor[] | null
  /** Read first, so that the first record is checked against the one before it. */
  readonly before: WalFile | null
  readonly files: readonly WalFile[]
  /** Read as far as needed to see that the next run goes on from here: as many as the longest record may go over. */
  readonly following: readonly WalFile[]
  /** Nothing of this timeline follows. */
  readonly isEnd: boolean
}

export interface Plan {
  readonly chains: readonly Chain[]
  readonly runs: readonly Run[]
  /** Segments and history files that are missing. */
  readonly problems: readonly VerifyProblem[]
}

/** Files of a run: enough that reading one more for the seam between two costs little. */
const MAX_RUN_FILES = 16
const MIN_RUN_FILES = 4
/** Runs for each thread, as far as there are files: one thread may be slower than another. */
const RUNS_PER_JOB = 4

/**
 * Says what must be there and in which pieces it is checked.
 *
 * Between the first and the last file of a timeline nothing may be missing. A timeline begins with the segment that
 * holds its switch point, and the parent must lead there, unless nothing of the parent is kept.
 *
 * What lies in a gap that was accepted is not missing.
 *
 * @param histories by timeline: what its history file says, null when it is unreadable; absent when there is none
 * @param from begin with the segment that holds this position, which must be there
 * @param jobs threads that will take runs
 */
export function planCheck(
  inventory: WalInventory,
  histories: ReadonlyMap<number, readonly Ancestor[] | null>,
  from: Lsn | null,
  jobs: number,
): Plan {
  const { segmentSize } = inventory
  const lowest = from === null ? 0n : segmentNumber(from, segmentSize)
  const problems: VerifyProblem[] = []
  const timelines = [...new Set(inventory.files.map(({ timeline }) => timeline))].sort((a, b) => a - b)
  const all = timelines.map((timeline): Chain => {
    const ancestors = timeline === 1 ? [] : (histories.get(timeline) ?? null)
    return { timeline, ancestors, files: bestFiles(inventory.files, timeline, lowest) }
  })
  const chains = all.filter(({ files }) => files.length > 0)
  const byTimeline = new Map(chains.map((chain) => [chain.timeline, chain]))
  const isAccepted = (segment: bigint) =>
    inventory.gaps.some((gap) => {
      return gap.from < segmentStart(segment + 1n, segmentSize) && gap.to > segmentStart(segment, segmentSize)
    })
  const missing = (timeline: number, first: bigint, end: bigint) => {
    for (let at = first; at < end; at++) {
      const from = at
      while (at < end && !isAccepted(at)) at++
      if (from < at) problems.push(missingSegments(timeline, from, at, segmentSize))
    }
  }
  const runs: Run[] = []
  const fileCount = chains.reduce((sum, { files }) => sum + files.length, 0)
  const seamFiles = 2 + Math.ceil(MAX_RECORD_SIZE / segmentSize)
  const share = Math.ceil(fileCount / (jobs * RUNS_PER_JOB))
  const runFiles = jobs === 1 ? MAX_RUN_FILES : Math.min(MAX_RUN_FILES, Math.max(MIN_RUN_FILES, share))
  for (const chain of chains) {
    const { timeline, ancestors, files } = chain
    const parent = ancestors?.at(-1)
    const first = files[0]!.segment
    let before: WalFile | null = null
    if (timeline > 1 && ancestors === null) {
      const known = histories.has(timeline) ? 'cannot be read' : 'is missing'
      problems.push(historyProblem(chain, `the history file of timeline ${timeline} ${known}`, segmentSize))
    }
    if (parent !== undefined) {
      const branch = segmentNumber(parent.switchPoint, segmentSize)
      const parentFiles = byTimeline.get(parent.timeline)?.files ?? []
      const leads = parentFiles.filter(({ segment }) => segment < branch)
      if (leads.length > 0) {
        missing(timeline, branch, first)
        missing(parent.timeline, leads.at(-1)!.segment + 1n, branch)
        if (first === branch) before = leads.at(-1)!.segment === branch - 1n ? leads.at(-1)! : null
      }
      const contradiction = contradictionOf(chain, histories.get(parent.timeline))
      if (contradiction !== null) problems.push(historyProblem(chain, contradiction, segmentSize))
    }
    if (from !== null && lowest < first && !leadsFrom(chain, chains, lowest, segmentSize))
      missing(timeline, lowest, first)
    for (let at = 0; at < files.length; ) {
      let end = at + 1
      while (end < files.length && files[end]!.segment === files[end - 1]!.segment + 1n) end++
      for (let start = at; start < end; start += runFiles) {
        const stop = Math.min(end, start + runFiles)
        runs.push({
          timeline,
          ancestors,
          before: start === 0 ? before : null,
          files: files.slice(start, stop),
          following: files.slice(stop, Math.min(end, stop + seamFiles)),
          isEnd: stop === files.length,
        })
      }
      if (end < files.length) missing(timeline, files[end - 1]!.segment + 1n, files[end]!.segment)
      at = end
    }
  }
  return { chains, runs, problems: problems.filter(isFirst) }
}

/** One file for each segment: a finished one, else a partial one, else the parts of a tail. */
function bestFiles(files: readonly WalFile[], timeline: number, lowest: bigint): WalFile[] {
  const order = ['segment', 'partial', 'tail']
  const best = new Map<bigint, WalFile>()
  for (const file of files) {
    if (file.timeline !== timeline || file.segment < lowest) continue
    const other = best.get(file.segment)
    if (other === undefined || order.indexOf(file.kind) < order.indexOf(other.kind))
      best.set(file.segment, file)
  }
  const sorted = [...best.values()].sort((a, b) => (a.segment < b.segment ? -1 : 1))
  // What is not whole counts at the end only: in the middle the segment itself is missing.
  return sorted.filter(({ kind }, index) => kind === 'segment' || index === sorted.length - 1)
}

/** True when the WAL between a position and a timeline's first file is looked for on its ancestors. */
function leadsFrom(chain: Chain, chains: readonly Chain[], lowest: bigint, segmentSize: number): boolean {
  const branch = chain.ancestors?.at(-1)
  if (branch === undefined) return false
  if (segmentNumber(branch.switchPoint, segmentSize) < lowest) return false
  return chains.some(({ timeline }) => timeline === branch.timeline)
}

function missingSegments(timeline: number, first: bigint, end: bigint, segmentSize: number): VerifyProblem {
  const from = segmentStart(first, segmentSize)
  const to = segmentStart(end, segmentSize)
  const count = end - first
  const what = count === 1n ? 'a segment is' : `${count} segments are`
  const names = [first, end - 1n].map((segment) => segmentFileName(timeline, segment, segmentSize))
  const range = `WAL from ${formatLsn(from)} to ${formatLsn(to)}`
  return {
    kind: 'missing',
    timeline,
    segment: names[0]!,
    from,
    to,
    text: `${what} missing: ${count === 1n ? names[0] : names.join(' to ')}, ${range}`,
    hint: 'look for it on the server and on its standbys, in pg_wal; else take a new base backup',
  }
}

function historyProblem(chain: Chain, text: string, segmentSize: number): VerifyProblem {
  const { timeline, files } = chain
  const from = segmentStart(files[0]!.segment, segmentSize)
  const hint = 'bring it back from pg_wal of the server or of a standby'
  return { kind: 'history', timeline, segment: files[0]!.name, from, to: null, text, hint }
}

/** A history begins with its parent's. */
function contradictionOf(chain: Chain, parents: readonly Ancestor[] | null | undefined): string | null {
  const own = chain.ancestors!
  const parent = own.at(-1)!.timeline
  if (parents === undefined || parents === null) return null
  const same =
    parents.length === own.length - 1 &&
    parents.every(
      ({ timeline, switchPoint }, index) =>
        own[index]!.timeline === timeline && own[index]!.switchPoint === switchPoint,
    )
  return same ? null : `the history files of timelines ${parent} and ${chain.timeline} contradict each other`
}

/** Two timelines may lack the same segments of a common ancestor. */
function isFirst(problem: VerifyProblem, index: number, all: readonly VerifyProblem[]): boolean {
  return all.findIndex(({ kind, segment }) => kind === problem.kind && segment === problem.segment) === index
}
