import { type Lsn, lsnMax, segmentNumber, segmentStart } from '../wal/index.js'
import type { Chain } from './check-plan.js'
import type { VerifyProblem } from './verify-problem.js'
import type { WalRange } from './wal-source.js'

/** WAL without a break: a recovery from a base backup that began in it gets to its end. */
export interface Stretch extends WalRange {
  /** The problem that ends it; null where WAL ends. */
  readonly endedBy: VerifyProblem | null
}

/** The WAL that leads to the end of one timeline, its ancestors' included. */
export interface RecoveryLine {
  readonly timeline: number
  readonly stretches: readonly Stretch[]
}

/**
 * What the problems mean for recoveries: for each timeline from which none branches off, the stretches of WAL that
 * leads there. A recovery needs all of it from its backup's start on.
 */
export function recoveryLines(
  chains: readonly Chain[],
  problems: readonly VerifyProblem[],
  ends: ReadonlyMap<number, Lsn>,
  segmentSize: number,
): RecoveryLine[] {
  const parents = new Set(chains.map(({ ancestors }) => ancestors?.at(-1)?.timeline))
  return chains
    .filter(({ timeline }) => !parents.has(timeline))
    .map((chain) => ({
      timeline: chain.timeline,
      stretches: stretchesOf(chain, chains, problems, ends, segmentSize),
    }))
}

/** A timeline's share of a line. */
interface Share extends WalRange {
  readonly timeline: number
}

function stretchesOf(
  chain: Chain,
  chains: readonly Chain[],
  problems: readonly VerifyProblem[],
  ends: ReadonlyMap<number, Lsn>,
  segmentSize: number,
): Stretch[] {
  const shares: Share[] = []
  let from = 0n as Lsn
  const { timeline } = chain
  for (const ancestor of chain.ancestors ?? []) {
    // The segment with the switch point is read from the younger timeline.
    const to = segmentStart(segmentNumber(ancestor.switchPoint, segmentSize), segmentSize)
    if (to > from) shares.push({ timeline: ancestor.timeline, from, to })
    from = lsnMax(from, to)
  }
  const end = ends.get(timeline) ?? segmentStart(chain.files.at(-1)!.segment + 1n, segmentSize)
  shares.push({ timeline, from, to: lsnMax(end, from) })
  const files = shares.map((share) => ({
    share,
    first: chains
      .find((each) => each.timeline === share.timeline)
      ?.files.find(({ segment }) => segmentStart(segment, segmentSize) >= share.from),
  }))
  const firstFile = files.find(
    ({ share, first }) => first && segmentStart(first.segment, segmentSize) < share.to,
  )?.first
  let start = firstFile === undefined ? end : segmentStart(firstFile.segment, segmentSize)
  const breaks = problems
    .filter(({ kind }) => kind !== 'history')
    .filter((problem) =>
      shares.some(
        (share) =>
          share.timeline === problem.timeline && problem.from >= share.from && problem.from < share.to,
      ),
    )
    .sort((a, b) => (a.from < b.from ? -1 : 1))
  const stretches: Stretch[] = []
  for (const problem of breaks) {
    if (problem.from > start) stretches.push({ from: start, to: problem.from, endedBy: problem })
    const behind = segmentStart(segmentNumber(problem.from, segmentSize) + 1n, segmentSize)
    start = lsnMax(start, problem.to ?? behind)
  }
  if (start < end) stretches.push({ from: start, to: end, endedBy: null })
  return stretches
}
