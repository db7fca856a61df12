import type { ListedSegment, ListedTimeline, SegmentRange, TimeCovered, WalList } from '../inspect/index.js'
import { formatLsn, formatPgTime, type Lsn } from '../wal/index.js'

/** At most so many segments that cannot be used are printed for a person; JSON has them all. */
const MAX_UNUSABLE = 20

/** What is kept, for a person. */
export function listText(list: WalList): string {
  const { source, systemIdentifier, segmentSize, timelines, windows, segments, unusable } = list
  const lines = [
    `${source}, system identifier ${systemIdentifier}, segments of ${segmentSize / 1024 / 1024} MB`,
    '',
  ]
  const roots = timelines.filter(
    ({ parent }) => !timelines.some(({ timeline }) => timeline === parent?.timeline),
  )
  for (const root of roots) lines.push(...timelineLines(root, timelines, ''))
  lines.push('', 'point-in-time recovery:')
  for (const { timeline, from, to, ...covered } of windows) {
    lines.push(
      `  to timeline ${timeline}: a base backup that began at ${formatLsn(from)} or later can be recovered up to ${formatLsn(to)},`,
      `    ${timesText(covered)}`,
    )
  }
  if (segments !== null) lines.push('', ...segmentTable(segments))
  if (unusable.size > 0) lines.push('', 'cannot be used:')
  for (const [name, reason] of [...unusable].slice(0, MAX_UNUSABLE)) lines.push(`  ${name}: ${reason}`)
  if (unusable.size > MAX_UNUSABLE)
    lines.push(`  and ${unusable.size - MAX_UNUSABLE} more; --json prints them all`)
  return `${lines.join('\n')}\n`
}

function timelineLines(
  { timeline, parent, ranges, gaps }: ListedTimeline,
  all: readonly ListedTimeline[],
  indent: string,
): string[] {
  const origin =
    parent === null ? '' : `, from timeline ${parent.timeline} at ${formatLsn(parent.switchPoint)}`
  const lines = [`${indent}timeline ${timeline}${origin}`]
  ranges.forEach((range, number) => {
    lines.push(`${indent}  ${rangeText(range)}`, `${indent}    ${timesText(range)}`)
    const gap = gaps[number]
    if (gap !== undefined) {
      const why = gap.isRecorded ? 'a gap that was accepted' : 'MISSING'
      lines.push(`${indent}  ${why}: ${formatLsn(gap.from)} to ${formatLsn(gap.to)}`)
    }
  })
  for (const child of all)
    if (child.parent?.timeline === timeline) lines.push(...timelineLines(child, all, `${indent}  `))
  return lines
}

function rangeText({
  firstSegment,
  lastSegment,
  from,
  to,
  segments,
  bytes,
  storedBytes,
}: SegmentRange): string {
  const ratio = storedBytes === null || storedBytes === 0 ? '' : ` in ${size(storedBytes)}`
  const times = ratio === '' || bytes === 0 ? '' : ` (${(bytes / storedBytes!).toFixed(1)}:1)`
  const names = segments === 1 ? firstSegment : `${firstSegment} to ${lastSegment}`
  const count = `${segments} ${segments === 1 ? 'segment' : 'segments'}`
  return `${names}, ${formatLsn(from)} to ${formatLsn(to)}: ${count}, ${size(bytes)}${ratio}${times}`
}

function timesText({ firstCommitTime, lastCommitTime }: TimeCovered): string {
  if (firstCommitTime === null || lastCommitTime === null) return 'no commits'
  return `commits from ${formatPgTime(firstCommitTime)} to ${formatPgTime(lastCommitTime)}`
}

function segmentTable(segments: readonly ListedSegment[]): string[] {
  const rows = segments.map(({ file, index }) => [
    file.name,
    file.storedBytes === undefined ? '-' : size(file.storedBytes),
    String(index?.records ?? '?'),
    String(index?.commits ?? '?'),
    String(index?.fullPageImages ?? '?'),
    index == null || index.oldestXid === null ? '-' : `${index.oldestXid}..${index.newestXid}`,
    index == null || index.firstCommitTime === null ? '-' : formatPgTime(index.firstCommitTime),
    index == null || index.lastCommitTime === null ? '-' : formatPgTime(index.lastCommitTime),
  ])
  const table = [
    ['segment', 'stored', 'records', 'commits', 'images', 'transactions', 'first commit', 'last commit'],
    ...rows,
  ]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}

function size(bytes: number): string {
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(0)} kB`
  return bytes < 1024 ** 3 ? `${(bytes / 1024 ** 2).toFixed(1)} MB` : `${(bytes / 1024 ** 3).toFixed(2)} GB`
}

/** The same for a program: positions and times are text as PostgreSQL prints them. */
export function listJson(list: WalList): string {
  const { segments, unusable, systemIdentifier, ...rest } = list
  const value = {
    ...rest,
    systemIdentifier: String(systemIdentifier),
    segments: segments?.map(({ file, index }) => {
      const { rest: _rest, unfinished: _unfinished, ...facts } = index ?? {}
      return { name: file.name, storedBytes: file.storedBytes ?? null, ...facts }
    }),
    unusable: Object.fromEntries(unusable),
  }
  return `${JSON.stringify(value, inPostgresWords, 2)}\n`
}

/** Positions and times are both bigints; times are told by their names. */
export function inPostgresWords(key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value
  return /time$/i.test(key) ? formatPgTime(value) : formatLsn(value as Lsn)
}
