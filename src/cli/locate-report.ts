import { type EndedTransaction, isRewrite, type Located, type RecoveryTarget } from '../inspect/index.js'
import { formatLsn, formatPgTime } from '../wal/index.js'
import { inPostgresWords } from './list-report.js'

/** Relations below are the server's own catalogs, as long as nobody has rewritten them. */
const FIRST_USER_NUMBER = 16_384

/** What was found, for a person: in comments what it is, and lines for postgresql.conf. */
export function locatedText(located: Located): string {
  const { query, record, restorePoint, transactions, targets, lastKept, firstLost, unusable, effort } =
    located
  const lines: string[] = [`# ${located.source}, on the way to timeline ${located.timeline}`]
  if (record !== null)
    lines.push(`# record at ${formatLsn(record.lsn)}: ${record.manager}, transaction ${record.xid || 'none'}`)
  if (restorePoint !== null)
    lines.push(
      `# restore point "${restorePoint.name}" at ${formatLsn(restorePoint.lsn)}, made at ${formatPgTime(restorePoint.time)}`,
    )
  for (const transaction of transactions) {
    const wanted = query.kind === 'drop' ? query.number : null
    lines.push(...transactionLines(transaction, wanted).map((text) => `# ${text}`))
  }
  if (query.kind === 'around') lines.push('#', '# to stop before one of them: walship locate --xid XID')
  targets.forEach((target, number) => {
    lines.push('', ...targetLines(target, number > 0))
    if (number > 0) return
    lines.push(
      lastKept === null
        ? '# no earlier commit is in this WAL: the base backup must be older than all of it'
        : `# last commit that is kept: ${shortText(lastKept)}`,
    )
    if (firstLost !== null) lines.push(`# first commit that is not: ${shortText(firstLost)}`)
  })
  if (unusable.size > 0) lines.push('')
  for (const [name, reason] of unusable) lines.push(`# not searched: ${name}: ${reason}`)
  lines.push('', `# read: indexes ${effort.indexes}, segments ${effort.segments}`)
  return `${lines.join('\n')}\n`
}

/** @param isOther the second choice, which must not count by mistake: the server takes the last line */
function targetLines({ meaning, lsn, inclusive, timeline }: RecoveryTarget, isOther: boolean): string[] {
  const comment = isOther ? '#' : ''
  return [
    `# ${isOther ? 'or: ' : ''}${meaning}`,
    `${comment}recovery_target_lsn = '${formatLsn(lsn)}'`,
    `${comment}recovery_target_inclusive = ${inclusive ? 'on' : 'off'}`,
    `${comment}recovery_target_timeline = '${timeline}'`,
  ]
}

function shortText({ xid, lsn, time }: EndedTransaction): string {
  return `transaction ${xid} at ${formatLsn(lsn)}, ${formatPgTime(time)}`
}

function transactionLines(transaction: EndedTransaction, wanted: number | null): string[] {
  const { kind, gid, relations, droppedFiles, droppedRelations, truncatedRelations } = transaction
  const name = gid === null ? '' : ` "${gid}"`
  const lines = [`${kind}${name}: ${shortText(transaction)}, ${transaction.records} records seen`]
  const catalogs = relations.filter(({ file }) => relfilenodeOf(file) < FIRST_USER_NUMBER)
  for (const { file, operations } of relations) {
    if (relfilenodeOf(file) < FIRST_USER_NUMBER) continue
    const counts = Object.entries(operations).map(([operation, count]) => `${operation} ${count}`)
    lines.push(`    ${file}: ${counts.join(', ')}`)
  }
  if (catalogs.length > 0) lines.push(`    files of catalogs: ${catalogs.length}`)
  if (droppedFiles.length > 0) lines.push(`    dropped files: ${droppedFiles.join(', ')}`)
  if (droppedRelations.length > 0) lines.push(`    dropped relations: OID ${droppedRelations.join(', ')}`)
  if (truncatedRelations.length > 0) lines.push(`    truncated: OID ${truncatedRelations.join(', ')}`)
  if (transaction.droppedDatabases.length > 0)
    lines.push(`    dropped database: OID ${transaction.droppedDatabases.join(', ')}`)
  if (wanted !== null && isRewrite(transaction, wanted))
    lines.push(
      `    ${wanted} was not dropped but got a new file: TRUNCATE, VACUUM FULL, CLUSTER or ALTER TABLE`,
    )
  return lines
}

function relfilenodeOf(file: string): number {
  return Number(file.slice(file.lastIndexOf('/') + 1))
}

/** The same for a program: positions and times are text as PostgreSQL prints them. */
export function locatedJson(located: Located): string {
  const { query: _query, unusable, targets, ...rest } = located
  const value = {
    ...rest,
    targets: targets.map(({ meaning, lsn, inclusive, timeline }) => ({
      meaning,
      settings: {
        recovery_target_lsn: formatLsn(lsn),
        recovery_target_inclusive: inclusive ? 'on' : 'off',
        recovery_target_timeline: String(timeline),
      },
    })),
    unusable: Object.fromEntries(unusable),
  }
  return `${JSON.stringify(value, inPostgresWords, 2)}\n`
}
