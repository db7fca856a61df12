import {
  formatLsn,
  INVALID_LSN,
  type Lsn,
  type LsnLike,
  parseLsn,
  parseTimelineHistory,
} from '../wal/index.js'
import { DivergedServerError } from './errors.js'

/** How far a consumer is, and in which history. Store it with the data, in the same transaction. */
export interface ConsumedPosition {
  /** The end of the last transaction that is safe: `dataStart` of its commit. 0 = none yet. */
  readonly lsn: Lsn
  /** The timeline it was received on; null when it is not known. */
  readonly timeline: number | null
  /** The cluster's system identifier; null when it is not known. */
  readonly systemId: string | null
}

/** What a user stored, in the forms that are accepted. */
export type StoredPosition =
  | LsnLike
  | { readonly lsn: LsnLike; readonly timeline?: number | null; readonly systemId?: string | null }
  | null

export function consumedPosition(stored: StoredPosition): ConsumedPosition {
  if (stored === null) return { lsn: INVALID_LSN, timeline: null, systemId: null }
  if (typeof stored !== 'object') return { lsn: parseLsn(stored), timeline: null, systemId: null }
  return {
    lsn: parseLsn(stored.lsn),
    timeline: stored.timeline ?? null,
    systemId: stored.systemId ?? null,
  }
}

/** The server's side of the comparison. */
export interface ServerHistory {
  readonly systemId: string
  readonly timeline: number
  /** Where its WAL ends. */
  readonly xlogPos: Lsn
  /** The history file of its timeline; null for timeline 1. */
  readonly history: Buffer | null
}

/**
 * Whether the server's history holds everything that was consumed.
 *
 * A logical slot takes any start position and skips what commits before it. After a failover that lost
 * transactions the server writes other ones at the same positions; those would be skipped silently.
 *
 * @returns `older` for a server that was left behind by a promotion this consumer has seen: another
 *   try may reach the new one
 * @throws DivergedServerError when it does not
 */
export function checkHistory(position: ConsumedPosition, server: ServerHistory): 'fits' | 'older' {
  if (position.systemId !== null && position.systemId !== server.systemId) {
    throw new DivergedServerError(
      `the server belongs to cluster ${server.systemId}, what was consumed came from ${position.systemId}`,
      { hint: 'check the connection string' },
    )
  }
  if (position.timeline !== null && server.timeline < position.timeline) return 'older'
  if (position.timeline !== null && server.timeline > position.timeline) {
    const ancestors = (server.history === null ? null : parseTimelineHistory(server.history)) ?? []
    const left = ancestors.find((ancestor) => ancestor.timeline === position.timeline)
    if (left === undefined) {
      throw new DivergedServerError(
        `timeline ${position.timeline}, which was consumed, is not in the history of the server's timeline ${server.timeline}`,
        { hint: LOST },
      )
    }
    if (position.lsn > left.switchPoint) {
      throw new DivergedServerError(
        `the server left timeline ${position.timeline} at ${formatLsn(left.switchPoint)}, before ${formatLsn(position.lsn)}, which was consumed`,
        { hint: LOST },
      )
    }
  }
  if (position.lsn > server.xlogPos) {
    throw new DivergedServerError(
      `the server's WAL ends at ${formatLsn(server.xlogPos)}, before ${formatLsn(position.lsn)}, which was consumed`,
      { hint: LOST },
    )
  }
  return 'fits'
}

const LOST =
  'the server has lost transactions that were consumed: compare the data, copy it anew, and begin with a new slot'
