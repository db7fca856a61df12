import {
  droppedNumbers,
  operationName,
  parseRelationRecord,
  parseTransaction,
  type RelationFile,
  type TransactionRecord,
  type WalRecord,
} from '../records/index.js'
import type { Lsn } from '../wal/index.js'

/** What a transaction did to one file. */
export interface RelationWork {
  /** As PostgreSQL's programs write it: tablespace/database/relfilenode. */
  readonly file: string
  /** How often which kind of record: `Heap INSERT`, `Btree`. */
  readonly operations: Readonly<Record<string, number>>
}

/** A transaction that ended, as far as its records were seen. */
export interface EndedTransaction extends Omit<TransactionRecord, 'droppedFiles'> {
  /** Where the record begins that ends it: what recovery_target_lsn has to name. */
  readonly lsn: Lsn
  readonly endLsn: Lsn
  /** Records seen of it, the last one included. */
  readonly records: number
  readonly relations: readonly RelationWork[]
  readonly droppedFiles: readonly string[]
  /** Numbers by which its drops can be looked for; see droppedNumbers. */
  readonly droppedNumbers: readonly number[]
  /** Tables that it emptied by TRUNCATE, where that is recorded by OID (wal_level logical). */
  readonly truncatedRelations: readonly number[]
  readonly droppedDatabases: readonly number[]
  /** It made files, as a rewrite or a CREATE does. */
  readonly madeFiles: boolean
}

interface Work {
  records: number
  madeFiles: boolean
  readonly relations: Map<string, Map<string, number>>
  readonly truncated: number[]
  readonly databases: number[]
}

/** Puts records together to transactions. Give it records in their order. */
export class TransactionCollector {
  readonly #works = new Map<number, Work>()

  /** @returns the transaction that the record ends; null for any other record */
  take(record: WalRecord): EndedTransaction | null {
    const ended = parseTransaction(record)
    if (ended === null) {
      if (record.xid !== 0) this.#note(record)
      return null
    }
    const works = [ended.xid, ...ended.subtransactions].flatMap((xid) => this.#works.get(xid) ?? [])
    if (ended.kind !== 'prepare')
      for (const xid of [ended.xid, ...ended.subtransactions]) this.#works.delete(xid)
    const relations = new Map<string, Map<string, number>>()
    for (const work of works) {
      for (const [file, operations] of work.relations)
        for (const [name, count] of operations) add(relations, file, name, count)
    }
    const truncatedRelations = works.flatMap(({ truncated }) => truncated)
    const droppedDatabases = works.flatMap(({ databases }) => databases)
    return {
      ...ended,
      lsn: record.lsn,
      endLsn: record.endLsn,
      records: works.reduce((sum, { records }) => sum + records, 1),
      relations: [...relations].map(([file, operations]) => ({
        file,
        operations: Object.fromEntries(operations),
      })),
      droppedFiles: ended.droppedFiles.map(fileText),
      droppedNumbers: [...droppedNumbers(record), ...truncatedRelations, ...droppedDatabases],
      truncatedRelations,
      droppedDatabases,
      madeFiles: works.some(({ madeFiles }) => madeFiles),
    }
  }

  #note(record: WalRecord): void {
    let work = this.#works.get(record.xid)
    if (work === undefined) {
      work = { records: 0, madeFiles: false, relations: new Map(), truncated: [], databases: [] }
      this.#works.set(record.xid, work)
    }
    work.records++
    const name = operationName(record)
    const manager = record.resourceManager
    const operation = name === null ? manager : `${manager} ${name}`
    const [block] = record.blocks
    if (block !== undefined) add(work.relations, fileText(block), operation, 1)
    const relation = parseRelationRecord(record)
    if (relation?.kind === 'file-created') {
      work.madeFiles = true
      add(work.relations, fileText(relation.file), operation, 1)
    }
    if (relation?.kind === 'truncate') work.truncated.push(...relation.relations)
    if (relation?.kind === 'database-dropped') work.databases.push(relation.database)
  }
}

function add(to: Map<string, Map<string, number>>, file: string, operation: string, count: number): void {
  const operations = to.get(file) ?? new Map<string, number>()
  to.set(file, operations)
  operations.set(operation, (operations.get(operation) ?? 0) + count)
}

function fileText({ tablespace, database, relfilenode }: RelationFile): string {
  return `${tablespace}/${database}/${relfilenode}`
}

export function isCommit({ kind }: EndedTransaction): boolean {
  return kind === 'commit' || kind === 'commit-prepared'
}

/** The table is still there behind it, with another file: TRUNCATE, VACUUM FULL, CLUSTER, some ALTER TABLE. */
export function isRewrite(each: EndedTransaction, number: number): boolean {
  if (each.droppedRelations.includes(number) || each.droppedDatabases.includes(number)) return false
  return each.madeFiles || each.truncatedRelations.length > 0
}
