import { INVALID_LSN, type Lsn, lsnMin } from '../wal/index.js'

/** What a receiver has, as far as the server may hear of it. */
export interface Watermarks {
  readonly timeline: number
  readonly written: Lsn
  readonly flushed: Lsn
}

/** What is reported to the server. */
export interface AckPositions {
  readonly writeLsn: Lsn
  readonly flushLsn: Lsn
  readonly applyLsn: Lsn
}

/** Turns watermarks into what the server is told. Pure. */
export type AckPolicy = (at: Watermarks) => AckPositions

/**
 * Reports what is safe on disk as flushed. `apply` stays 0: an archiver replays nothing, and
 * any other value would let commits with `synchronous_commit = remote_apply` return early.
 */
export const ackFlushed: AckPolicy = ({ written, flushed }) => ({
  writeLsn: written,
  flushLsn: flushed,
  applyLsn: INVALID_LSN,
})

/** Never reports a flush position, so that the server does not choose us as a synchronous standby. */
export const ackWrittenOnly: AckPolicy = ({ written }) => ({
  writeLsn: written,
  flushLsn: INVALID_LSN,
  applyLsn: INVALID_LSN,
})

/** How far an archive reaches, on the timeline it follows. */
export interface ArchivedMark {
  readonly timeline: number
  readonly lsn: Lsn
}

/**
 * Reports as flushed what the archive holds. Only while the archive follows the timeline that is being
 * streamed: after a switch the old timeline's end may lie above what has been archived of the new one.
 *
 * @param archived asked each time; null while nothing is known
 */
export function ackArchived(archived: () => ArchivedMark | null): AckPolicy {
  return ({ timeline, written }) => {
    const mark = archived()
    const known = mark !== null && mark.timeline === timeline
    return {
      writeLsn: written,
      flushLsn: known ? lsnMin(written, mark.lsn) : INVALID_LSN,
      applyLsn: INVALID_LSN,
    }
  }
}

/** Reports nothing that was not checked. @param verified asked each time */
export function ackVerified(policy: AckPolicy, verified: () => Lsn): AckPolicy {
  return (at) => {
    const { writeLsn, flushLsn, applyLsn } = policy(at)
    const limit = verified()
    return { writeLsn: lsnMin(writeLsn, limit), flushLsn: lsnMin(flushLsn, limit), applyLsn }
  }
}

/** As pg_receivewal: flush positions only with a slot or with --synchronous. */
export function chooseAckPolicy(options: { slotName?: string; synchronous: boolean }): AckPolicy {
  return options.slotName || options.synchronous ? ackFlushed : ackWrittenOnly
}
