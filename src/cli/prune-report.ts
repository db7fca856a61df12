import type {
  CommitSpan,
  Departure,
  Fate,
  LockedUntil,
  PlannedStretch,
  PlannedWindow,
  PrunePlan,
  PruneResult,
} from '../prune/index.js'
import { bytesText } from '../status/index.js'
import { formatLsn, formatPgTime } from '../wal/index.js'
import { inPostgresWords } from './list-report.js'
import { textTable } from './text-table.js'

/**
 * What goes and what stays, for a person.
 *
 * @param result of a removal; null when nothing was removed
 */
export function pruneText(plan: PrunePlan, result: PruneResult | null): string {
  const { source, systemIdentifier, segmentSize, cutoffTime, backups, notes } = plan
  const lines = [
    `${source}, system identifier ${systemIdentifier}, segments of ${segmentSize / 1024 / 1024} MB`,
    ...(cutoffTime === null ? [] : [`kept: commits since ${formatPgTime(cutoffTime)}`]),
    ...backups.map(({ name, start, timeline }) => {
      const where = timeline === null ? '' : ` on timeline ${timeline}`
      const whose = name === formatLsn(start) ? 'the backup' : `backup ${name},`
      return `kept: ${whose} that began at ${formatLsn(start)}${where}`
    }),
    ...notes.map((note) => `note: ${note}`),
    '',
    textTable(['timeline', 'from', 'to', 'files', 'stored', '', 'why'], plan.stretches.map(row)).trimEnd(),
    '',
    'recovery window',
    ...plan.windows.flatMap(({ timeline, before, after }) => [
      `  to timeline ${timeline}, before: ${windowText(before)}`,
      `  to timeline ${timeline}, after:  ${after === null ? 'none' : windowText(after)}`,
    ]),
    '',
    ...outcome(plan, result),
  ]
  return `${lines.join('\n')}\n`
}

function row({ timeline, from, to, files, storedBytes, fate }: PlannedStretch): string[] {
  const [what, why] = fateText(fate)
  return [String(timeline), formatLsn(from), formatLsn(to), String(files), bytesText(storedBytes), what, why]
}

const DEPARTURES: Readonly<Record<Departure, string>> = {
  before: 'nothing that is kept begins so early',
  'behind-branch': 'the timelines that are kept have left this one before',
  'unneeded-timeline': 'no timeline that is kept comes through this one',
}

function fateText(fate: Fate): [string, string] {
  switch (fate.kind) {
    case 'goes':
      return ['goes', DEPARTURES[fate.departure]]
    case 'stays':
      return ['stays', fate.why]
    case 'locked':
      return ['stays', `locked until ${untilText(fate.until)}`]
    case 'behind-lock':
      return ['stays', 'it would be cut off from what is locked']
  }
}

function untilText(until: LockedUntil): string {
  return until === 'released' ? 'its legal hold is taken off' : until.toISOString()
}

function windowText({ from, to, commits }: PlannedWindow): string {
  const times =
    commits === null
      ? ''
      : `, commits from ${formatPgTime(commits.first)} to ${formatPgTime(commits.last)} or later`
  return `${formatLsn(from)} to ${formatLsn(to)}${times}`
}

function outcome({ goes, gapsGo, problems }: PrunePlan, result: PruneResult | null): string[] {
  if (problems.length > 0 && result === null) return ['nothing is removed']
  if (goes.length === 0 && gapsGo.length === 0) return ['nothing is to go']
  if (result !== null) {
    const { files, storedBytes, gaps, locked, held } = result
    const lines = [`removed ${files} files, ${bytesText(storedBytes)}${gapsText(gaps)}`]
    for (const { file, until } of locked) lines.push(`kept ${file.name}: locked until ${untilText(until)}`)
    if (held > 0) lines.push(`kept ${held} files that would be cut off from what is locked`)
    return lines
  }
  const bytes = goes.reduce((sum, { file }) => sum + file.storedBytes, 0)
  return [
    `dry run: ${goes.length} files, ${bytesText(bytes)}${gapsText(gapsGo.length)} would go; --apply removes them`,
  ]
}

function gapsText(gaps: number): string {
  return gaps === 0 ? '' : `, ${gaps} ${gaps === 1 ? 'record of a gap' : 'records of gaps'}`
}

/** The same for a program: positions and times are text as PostgreSQL prints them. */
export function pruneJson(plan: PrunePlan, result: PruneResult | null): string {
  const { goes, gapsGo, problems, systemIdentifier, lines: _lines, windows, backups, ...rest } = plan
  const value = {
    ...rest,
    systemIdentifier: String(systemIdentifier),
    backups: backups.map(({ systemIdentifier: _same, ...backup }) => backup),
    windows: windows.map(({ timeline, before, after }) => {
      return { timeline, before: windowJson(before), after: after === null ? null : windowJson(after) }
    }),
    goes: goes.map(({ file, departure }) => ({ name: file.name, kind: file.kind, why: departure })),
    gapsGo,
    problems: problems.map(({ mayHeal: _mayHeal, ...problem }) => problem),
    applied: result !== null,
    removed:
      result === null ? null : { files: result.files, storedBytes: result.storedBytes, gaps: result.gaps },
    locked: result?.locked.map(({ file, until }) => ({ name: file.name, until })) ?? [],
  }
  return `${JSON.stringify(value, inPostgresWords, 2)}\n`
}

function windowJson({ from, to, commits }: PlannedWindow): Record<string, unknown> {
  const { first = null, last = null }: Partial<Record<keyof CommitSpan, bigint | null>> = commits ?? {}
  return { from, to, firstCommitTime: first, lastCommitTime: last }
}
