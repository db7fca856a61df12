import { parseRelationRecord } from './relation-record.js'
import { parseTransaction } from './transaction-record.js'
import type { WalRecord } from './wal-record.js'

/**
 * The numbers by which somebody may look for what a record drops: OIDs of relations, numbers of their files, OIDs of
 * databases. A TRUNCATE, VACUUM FULL or other rewrite counts too: the old file is dropped, and with it perhaps rows.
 *
 * Servers before 15 do not write the OIDs of dropped relations. There, and for rewrites, those relations count that
 * the transaction changed while it dropped files.
 */
export function droppedNumbers(record: WalRecord): readonly number[] {
  const transaction = parseTransaction(record)
  if (transaction !== null) {
    const { droppedFiles, droppedRelations, changedRelations, kind } = transaction
    // The files of an aborted transaction are those that it made itself.
    if (kind !== 'commit' && kind !== 'commit-prepared') return []
    if (droppedFiles.length === 0) return droppedRelations
    return [...droppedFiles.map(({ relfilenode }) => relfilenode), ...droppedRelations, ...changedRelations]
  }
  const relation = parseRelationRecord(record)
  if (relation?.kind === 'truncate') return relation.relations
  return relation?.kind === 'database-dropped' ? [relation.database] : []
}
