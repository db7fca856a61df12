/** Transactions as lines of text, for comparisons. */
import type { Change, ReplicatedTransaction, Tuple } from '../../src/pgoutput/index.js'
import { UNCHANGED_TOAST } from '../../src/pgoutput/index.js'

/** The kind of a transaction, then its changes; the same line several times in a row is there once. */
export function describeTransaction(transaction: ReplicatedTransaction): string[] {
  switch (transaction.kind) {
    case 'transaction':
    case 'prepared transaction': {
      const name = transaction.kind === 'transaction' ? 'committed' : `prepared ${transaction.gid}`
      const lines = transaction.changes.map(describeChange)
      return [name, ...lines.filter((line, index) => line !== lines[index - 1])]
    }
    case 'message':
      return [`message ${transaction.message.prefix}: ${transaction.message.content}`]
    default:
      return [`${transaction.kind} ${transaction.gid}`]
  }
}

export function describeChange(change: Change): string {
  switch (change.kind) {
    case 'insert':
      return `insert ${change.relation.name} ${describeRow(change.new)}`
    case 'update': {
      const before = change.key ?? change.old
      return `update ${change.relation.name} ${before === null ? '' : `${describeRow(before)} -> `}${describeRow(change.new)}`
    }
    case 'delete':
      return `delete ${change.relation.name} ${describeRow((change.key ?? change.old)!)}`
    case 'truncate': {
      const names = change.relations.map(({ name }) => name)
      return `truncate ${names}${change.cascade ? ' cascade' : ''}${change.restartIdentity ? ' restart' : ''}`
    }
    case 'message':
      return `message ${change.prefix}: ${change.content}`
  }
}

function describeRow(tuple: Tuple): string {
  return Object.entries(tuple.toObject())
    .filter(([name]) => name !== 'row')
    .map(([name, value]) => `${name}=${describeValue(value)}`)
    .join(' ')
}

function describeValue(value: unknown): string {
  if (value === UNCHANGED_TOAST) return '(unchanged)'
  if (value instanceof Buffer) return `0x${value.toString('hex')}`
  return String(value).replace(/(.)\1{9,}/g, '$1…')
}
