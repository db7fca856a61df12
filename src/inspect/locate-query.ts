import type { Lsn } from '../wal/index.js'
import type { EndedTransaction } from './transactions.js'

/** What is looked for. Times are microseconds since 2000-01-01 UTC. */
export type LocateQuery =
  | { readonly kind: 'time'; readonly time: bigint }
  | { readonly kind: 'xid'; readonly xid: number }
  | { readonly kind: 'lsn'; readonly lsn: Lsn }
  | { readonly kind: 'restore-point'; readonly name: string }
  /** OID or file number of a table, or OID of a database. */
  | { readonly kind: 'drop'; readonly number: number }
  | { readonly kind: 'around'; readonly time: bigint; readonly windowMicros: bigint }

/** Where a recovery has to stop. An LSN and nothing else: it does not depend on clocks, and is there once. */
export interface RecoveryTarget {
  /** What the recovered server has. */
  readonly meaning: string
  readonly lsn: Lsn
  /** Whether the record at `lsn` is replayed. */
  readonly inclusive: boolean
  readonly timeline: number
}

export interface Located {
  readonly query: LocateQuery
  readonly source: string
  /** Where it was looked: the WAL that leads to the end of this timeline. */
  readonly timeline: number
  /** Record at the place that was asked for, if that is no end of a transaction. */
  readonly record: { readonly lsn: Lsn; readonly manager: string; readonly xid: number } | null
  readonly restorePoint: { readonly name: string; readonly lsn: Lsn; readonly time: bigint } | null
  /** Transactions that answer the question, in their order. */
  readonly transactions: readonly EndedTransaction[]
  /** The last commit that the first target keeps, and the first that it leaves out. */
  readonly lastKept: EndedTransaction | null
  readonly firstLost: EndedTransaction | null
  readonly targets: readonly RecoveryTarget[]
  readonly unusable: ReadonlyMap<string, string>
  /** What had to be read. */
  readonly effort: { readonly indexes: number; readonly segments: number }
}
