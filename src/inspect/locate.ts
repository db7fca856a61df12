import { WalshipError } from '../base/index.js'
import { formatLsn } from '../wal/index.js'
import type { KeptWal } from './kept-wal.js'
import { LineFacts } from './line-facts.js'
import { LineSearch } from './line-search.js'
import type { Located, LocateQuery } from './locate-query.js'
import { neighbours } from './search-commits.js'
import { filesOfLine, readTimelines, type Timeline } from './timelines.js'

export interface LocateOptions {
  /** Look on the way to this timeline; the newest by default. */
  readonly timeline?: number
  readonly signal: AbortSignal
}

/** @throws WalshipError `LOCATE_NOT_FOUND`, `LOCATE_TIMELINE`, and what reading throws */
export async function locate(kept: KeptWal, query: LocateQuery, options: LocateOptions): Promise<Located> {
  const { signal } = options
  const inventory = await kept.inventory(signal)
  const { segmentSize } = inventory
  const timelines = await readTimelines(kept, inventory, signal)
  const chosen = chooseTimeline(timelines, options.timeline, kept.name)
  const files = filesOfLine(timelines, chosen, segmentSize)
  const { timeline, ancestors } = chosen
  const line = new LineFacts({ kept, files, segmentSize, timeline, ancestors, signal })
  const search = new LineSearch(line, segmentSize)
  const answer = await search.find(query)
  if (answer === null) {
    const others = timelines.filter(({ timeline }) => timeline !== chosen.timeline)
    throw notFound(query, chosen.timeline, others, line)
  }
  const { targets } = answer
  const { lastKept, firstLost } =
    targets[0] === undefined
      ? { lastKept: null, firstLost: null }
      : await neighbours(line, segmentSize, targets[0])
  return {
    query,
    source: kept.name,
    timeline: chosen.timeline,
    record: null,
    restorePoint: null,
    transactions: [],
    ...answer,
    lastKept,
    firstLost,
    unusable: line.unusable,
    effort: line.effort,
  }
}

function chooseTimeline(
  timelines: readonly Timeline[],
  wanted: number | undefined,
  source: string,
): Timeline {
  const chosen =
    wanted === undefined ? timelines.at(-1) : timelines.find(({ timeline }) => timeline === wanted)
  if (chosen !== undefined) return chosen
  const there = timelines.map(({ timeline }) => timeline).join(', ')
  throw new WalshipError(`there is no WAL of timeline ${wanted} in ${source}`, {
    code: 'LOCATE_TIMELINE',
    hint: `there are timelines ${there}; see walship list`,
  })
}

function notFound(
  query: LocateQuery,
  timeline: number,
  others: readonly Timeline[],
  line: LineFacts,
): WalshipError {
  const what: Record<LocateQuery['kind'], string> = {
    time: 'there is no commit later than that',
    around: 'no transaction ended in that time',
    xid: `there is no end of transaction ${'xid' in query ? query.xid : ''}`,
    lsn: `there is no record at ${'lsn' in query ? formatLsn(query.lsn) : ''}`,
    'restore-point': `there is no restore point "${'name' in query ? query.name : ''}"`,
    drop: `nothing with number ${'number' in query ? query.number : ''} was dropped`,
  }
  const elsewhere = others.map((each) => `--timeline ${each.timeline}`).join(' or ')
  const broken = [...line.unusable.keys()]
  const hints = [
    query.kind === 'time' ? 'a recovery without a target replays all there is' : '',
    elsewhere === '' ? 'see walship list for what is kept' : `try ${elsewhere}`,
    broken.length === 0 ? '' : `segments that could not be searched: ${broken.slice(0, 5).join(', ')}`,
  ]
  return new WalshipError(`${what[query.kind]} in the WAL that leads to timeline ${timeline}`, {
    code: 'LOCATE_NOT_FOUND',
    hint: hints.filter((hint) => hint !== '').join('; '),
  })
}
