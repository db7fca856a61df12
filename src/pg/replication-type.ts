/**
 * The two kinds of replication. The numbers are those of psycopg2 and mean nothing; they are never
 * sent.
 */
export const REPLICATION_PHYSICAL = 12345678 as const
export const REPLICATION_LOGICAL = 87654321 as const

export type ReplicationType = typeof REPLICATION_PHYSICAL | typeof REPLICATION_LOGICAL
