import { type Ancestor, type Lsn, parseTimelineHistory } from '../wal/index.js'
import { type Chain, planCheck } from './check-plan.js'
import type { ChainEnd, RunResult } from './check-run.js'
import { openSource } from './open-source.js'
import { type RecoveryLine, recoveryLines } from './recovery-reach.js'
import { runChecks } from './run-checks.js'
import { findStart, type StartChoice } from './start-choice.js'
import type { VerifyProblem } from './verify-problem.js'
import type { WalInventory, WalSource, WalSourceSpec } from './wal-source.js'

export interface VerifyOptions {
  readonly source: WalSourceSpec
  /** Where to begin; by default with the oldest WAL. */
  readonly start?: StartChoice
  /** Threads to check in. */
  readonly jobs: number
  readonly signal: AbortSignal
  onProgress?(progress: VerifyProgress): void
}

export interface VerifyProgress {
  readonly filesDone: number
  readonly filesTotal: number
  readonly bytes: number
}

/** What is kept of one timeline. */
export interface TimelineReport {
  readonly timeline: number
  /** Null for the first one, and where the history file is missing. */
  readonly parent: Ancestor | null
  readonly firstSegment: string
  readonly lastSegment: string
  readonly files: number
  readonly end: ChainEnd | null
}

export interface VerifyReport {
  /** For people. */
  readonly source: string
  readonly systemIdentifier: bigint
  readonly segmentSize: number
  readonly startLsn: Lsn | null
  readonly timelines: readonly TimelineReport[]
  readonly problems: readonly VerifyProblem[]
  readonly recovery: readonly RecoveryLine[]
  /** Holes that were accepted with --allow-gap. */
  readonly gaps: WalInventory['gaps']
  readonly files: number
  readonly bytes: number
  readonly records: number
  /** Bytes of padding that are not zero. No recovery reads them, but no server writes them either. */
  readonly strayPadding: number
  /** Records that a server's crash cut short, and that the WAL behind them says so of. */
  readonly overwrittenRecords: number
  /** Files that a server made ready for later. */
  readonly unusedFiles: number
}

/**
 * Checks WAL that is kept in a directory or an archive: that every segment is there, of the right length and as it was
 * stored, that pages and records are good, that the chain of records is unbroken over segments and timelines.
 * Reads everything once, and changes nothing.
 *
 * Gaps that were accepted are no problems, and count where it is said how far a recovery gets.
 *
 * @throws WalshipError when it cannot be found out; the reason of the signal
 */
export async function verifyWal(options: VerifyOptions): Promise<VerifyReport> {
  await using source = await openSource(options.source)
  const { signal } = options
  const inventory = await source.inventory(signal)
  const histories = await readHistories(source, inventory, signal)
  const startLsn =
    options.start === undefined ? null : await findStart(source, inventory, options.start, signal)
  const { chains, runs, problems: missing } = planCheck(inventory, histories, startLsn, options.jobs)
  const filesTotal = runs.reduce((sum, { files }) => sum + files.length, 0)
  let filesDone = 0
  let bytes = 0
  const tell = (read: number) => {
    filesDone += read < 0 ? 0 : 1
    bytes += Math.max(0, read)
    options.onProgress?.({ filesDone, filesTotal, bytes })
  }
  tell(-1)
  const results = await runChecks(runs, {
    source,
    spec: options.source,
    inventory,
    jobs: options.jobs,
    signal,
    onFile: tell,
  })
  const ends = new Map<number, ChainEnd>()
  for (const [index, { end }] of results.entries()) if (end !== null) ends.set(runs[index]!.timeline, end)
  const problems = [...missing, ...results.flatMap((result) => result.problems)]
    .filter(isNew)
    .sort((a, b) => a.timeline - b.timeline || (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
  const breaks = [...problems, ...inventory.gaps.map(gapAsBreak)]
  const endLsns = new Map([...ends].map(([timeline, { lsn }]) => [timeline, lsn]))
  return {
    source: source.name,
    systemIdentifier: inventory.systemIdentifier,
    segmentSize: inventory.segmentSize,
    startLsn,
    timelines: chains.map((chain) => timelineReport(chain, ends)),
    problems,
    recovery: recoveryLines(chains, breaks, endLsns, inventory.segmentSize),
    gaps: inventory.gaps,
    files: filesTotal,
    ...sumsOf(results),
    unusedFiles: inventory.unused,
  }
}

async function readHistories(
  source: WalSource,
  inventory: WalInventory,
  signal: AbortSignal,
): Promise<Map<number, readonly Ancestor[] | null>> {
  const histories = new Map<number, readonly Ancestor[] | null>()
  for (const timeline of inventory.histories) {
    const content = await source.readHistory(timeline, signal).catch((error) => {
      signal.throwIfAborted()
      if (error?.code === 'STORE_CORRUPT') return null
      throw error
    })
    histories.set(timeline, content === null ? null : parseTimelineHistory(content))
  }
  return histories
}

function timelineReport(
  { timeline, ancestors, files }: Chain,
  ends: ReadonlyMap<number, ChainEnd>,
): TimelineReport {
  return {
    timeline,
    parent: ancestors?.at(-1) ?? null,
    firstSegment: files[0]!.name,
    lastSegment: files.at(-1)!.name,
    files: files.length,
    end: ends.get(timeline) ?? null,
  }
}

/** The seam between two runs is seen from both sides. */
function isNew(problem: VerifyProblem, index: number, all: readonly VerifyProblem[]): boolean {
  return (
    all.findIndex(({ timeline, from, kind }) => {
      return (
        timeline === problem.timeline &&
        from === problem.from &&
        (kind === problem.kind || kind !== 'history')
      )
    }) === index || problem.kind === 'history'
  )
}

/** For recoveries an accepted gap is as good as any other. */
function gapAsBreak({ timeline, from, to }: WalInventory['gaps'][number]): VerifyProblem {
  return { kind: 'missing', timeline, segment: '', from, to, text: 'a gap that was accepted', hint: '' }
}

function sumsOf(results: readonly RunResult[]) {
  const sum = (key: 'bytes' | 'records' | 'strayPadding' | 'overwrittenRecords') =>
    results.reduce((total, result) => total + result[key], 0)
  return {
    bytes: sum('bytes'),
    records: sum('records'),
    strayPadding: sum('strayPadding'),
    overwrittenRecords: sum('overwrittenRecords'),
  }
}
