import { type PhysicalReplicationConnection, ServerError } from '../pg/index.js'
import {
  type Ancestor,
  formatLsn,
  type Lsn,
  parseTimelineHistory,
  segmentFloor,
  segmentStart,
} from '../wal/index.js'
import { commandFailed, ReceiveError } from './errors.js'
import type { ServerFacts } from './server-facts.js'
import type { StartPoint } from './stream-position.js'

/** The end of something, on a timeline. */
export interface LineEnd {
  readonly timeline: number
  readonly lsn: Lsn
}

/** WAL that is kept here and is not part of the server's history: what came after `switchLsn` on `timeline`. */
export interface LeftBranch {
  readonly timeline: number
  readonly switchLsn: Lsn
  /** What is here reaches at least so far. */
  readonly lsn: Lsn
  readonly nextTimeline: number
}

/**
 * The server's history: which WAL leads to where it is. After a failover to a standby that had not received
 * everything, what came after its promotion's point on the old timeline is a branch: its transactions are lost on the new
 * primary, and the WAL of the next timeline begins before our end.
 */
export class ServerLine {
  readonly #facts: Pick<ServerFacts, 'timeline' | 'segmentSize'>
  readonly #ancestors: readonly Ancestor[]

  /** A server without the history file, as one that was set up from a backup can be, is not looked into. */
  static async of(
    connection: PhysicalReplicationConnection,
    facts: ServerFacts,
    signal: AbortSignal,
  ): Promise<ServerLine> {
    if (facts.timeline <= 1) return new ServerLine(facts, [])
    const history = await connection.timelineHistory(facts.timeline, { signal }).catch((error) => {
      if (error instanceof ServerError && !error.fatal) return null
      throw commandFailed('TIMELINE_HISTORY', error)
    })
    return new ServerLine(facts, (history && parseTimelineHistory(history.content)) ?? [])
  }

  constructor(facts: Pick<ServerFacts, 'timeline' | 'segmentSize'>, ancestors: readonly Ancestor[]) {
    this.#facts = facts
    this.#ancestors = ancestors
  }

  /**
   * Whether a segment's file leads to where the server is. Of a timeline that was left, only those that end before:
   * the next timeline has a copy of the one it was left in.
   */
  readonly holds = (file: { readonly timeline: number; readonly segment: bigint }): boolean => {
    const { timeline, segmentSize } = this.#facts
    if (file.timeline >= timeline) return true
    const left = this.#ancestors.find((ancestor) => ancestor.timeline === file.timeline)
    return left !== undefined && segmentStart(file.segment + 1n, segmentSize) <= left.switchPoint
  }

  /**
   * The branch that this start is on; null when the server can go on there. One in the very segment that the
   * timeline was left in is none: the server streams it up to the switch.
   */
  branchOf(start: LineEnd): LeftBranch | null {
    const at = this.#ancestors.findIndex(({ timeline }) => timeline === start.timeline)
    if (at < 0) return null
    const { timeline, switchPoint } = this.#ancestors[at]!
    if (segmentFloor(start.lsn, this.#facts.segmentSize) <= switchPoint) return null
    const nextTimeline = this.#ancestors[at + 1]?.timeline ?? this.#facts.timeline
    return { timeline, switchLsn: switchPoint, lsn: start.lsn, nextTimeline }
  }

  /** Where the branch's successor begins. */
  behind({ switchLsn, nextTimeline }: LeftBranch): StartPoint {
    const lsn = segmentFloor(switchLsn, this.#facts.segmentSize)
    return { lsn, timeline: nextTimeline, origin: 'next-timeline' }
  }
}

/** For who did not ask to follow. */
export function branchLeft(branch: LeftBranch): ReceiveError {
  const { timeline, switchLsn, lsn, nextTimeline } = branch
  const [left, reached] = [formatLsn(switchLsn), formatLsn(lsn)]
  return new ReceiveError(
    `the server left timeline ${timeline} at ${left} for timeline ${nextTimeline}, and WAL of timeline ${timeline} up to ${reached} is here: the server does not have what was written between`,
    {
      code: 'RECEIVE_BRANCH_LEFT',
      hint: 'the directory is ahead of this server, or on a branch of its history that it left: after a failover go on with --follow-failover; else look where the connection leads',
      context: { timeline, switchLsn: left, lsn: reached, nextTimeline },
    },
  )
}
