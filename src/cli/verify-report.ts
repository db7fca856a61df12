import type { RecoveryLine, TimelineReport, VerifyReport } from '../verify/index.js'
import { formatLsn } from '../wal/index.js'

/** At most so many problems are printed for a person; JSON has them all. */
const MAX_PROBLEMS = 50

/** The result for a person: what is wrong, what that means for recoveries, and what was checked. */
export function reportText(report: VerifyReport, seconds: number): string {
  const { problems, gaps, timelines } = report
  const lines: string[] = [`${report.source}, system identifier ${report.systemIdentifier}`]
  for (const timeline of timelines) lines.push(timelineLine(timeline))
  if (problems.length > 0) {
    lines.push('', `${plural(problems.length, 'problem')}:`)
    for (const { kind, timeline, segment, text, hint } of problems.slice(0, MAX_PROBLEMS)) {
      const place = text.includes(segment) ? '' : `, in ${segment}`
      lines.push(`  ${kind} on timeline ${timeline}: ${text}${place}`, `    hint: ${hint}`)
    }
    if (problems.length > MAX_PROBLEMS)
      lines.push(`  and ${problems.length - MAX_PROBLEMS} more; --json prints them all`)
  }
  if (gaps.length > 0) lines.push('', 'gaps that were accepted:')
  for (const { timeline, from, to } of gaps)
    lines.push(`  timeline ${timeline}: ${formatLsn(from)} to ${formatLsn(to)}`)
  lines.push('', 'recovery:')
  for (const line of report.recovery) lines.push(...recoveryTexts(line))
  lines.push('', ...notes(report))
  const speed = seconds > 0 ? `, ${(report.bytes / 1e6 / seconds).toFixed(0)} MB/s` : ''
  const size = `${(report.bytes / 1e9).toFixed(2)} GB, ${report.records} records in ${seconds.toFixed(1)} s${speed}`
  lines.push(`checked ${plural(report.files, 'file')}, ${size}`)
  lines.push(
    problems.length === 0
      ? 'whole: no problem was found'
      : `not whole: ${plural(problems.length, 'problem')}`,
  )
  return `${lines.join('\n')}\n`
}

function timelineLine({ timeline, parent, firstSegment, lastSegment, files, end }: TimelineReport): string {
  const branch =
    parent === null ? '' : `, from timeline ${parent.timeline} at ${formatLsn(parent.switchPoint)}`
  const ends = end === null ? '' : `, WAL up to ${formatLsn(end.lsn)}`
  const rest = end?.unfinished == null ? '' : ' (then a record that is not complete yet)'
  return `timeline ${timeline}${branch}: ${plural(files, 'file')}, ${firstSegment} to ${lastSegment}${ends}${rest}`
}

function recoveryTexts({ timeline, stretches }: RecoveryLine): string[] {
  if (stretches.length === 0) return [`  no WAL leads to timeline ${timeline}`]
  return stretches.map(({ from, to, endedBy }) => {
    const begin = `  a backup taken from ${formatLsn(from)} on`
    if (endedBy === null)
      return `${begin} can be recovered up to the end, ${formatLsn(to)}, on timeline ${timeline}`
    return `${begin} can reach ${formatLsn(to)}, not beyond`
  })
}

function notes(report: VerifyReport): string[] {
  const found: string[] = []
  if (report.overwrittenRecords > 0)
    found.push(
      `note: ${plural(report.overwrittenRecords, 'record')} cut short by a crash of the server, as it noted itself`,
    )
  if (report.strayPadding > 0)
    found.push(
      `note: ${plural(report.strayPadding, 'byte')} between records not zero: harmless, but something changed them`,
    )
  if (report.unusedFiles > 0)
    found.push(`note: ${plural(report.unusedFiles, 'file')} made ready by the server and not used yet`)
  return found
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** The result for a program. Positions are text as PostgreSQL prints them. */
export function reportJson(report: VerifyReport, seconds: number): string {
  const whole = report.problems.length === 0
  const asText = (key: string, value: unknown) => {
    if (typeof value !== 'bigint') return value
    return key === 'systemIdentifier' ? String(value) : formatLsn(value as Parameters<typeof formatLsn>[0])
  }
  return `${JSON.stringify({ whole, seconds: Number(seconds.toFixed(3)), ...report }, asText, 2)}\n`
}
