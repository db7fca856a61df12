import { formatLsn, type Lsn } from '../wal/index.js'
import { describeCoverage } from './coverage.js'
import type { StatusFacts, Thresholds } from './facts.js'
import type {
  ArchiveFacts,
  Disaster,
  Position,
  PositionName,
  PossibleLoss,
  StatusSnapshot,
} from './snapshot.js'
import { POSITION_NAMES } from './snapshot.js'
import { judge } from './verdict.js'

/** Makes the one picture of what the parts tell. Pure. */
export function buildSnapshot(facts: StatusFacts, thresholds: Thresholds): StatusSnapshot {
  const { stream, now } = facts
  const positions = Object.fromEntries(
    POSITION_NAMES.map((name) => [name, positionOf(facts, name)]),
  ) as Record<PositionName, Position>
  const withoutVerdict = {
    formatVersion: 1,
    source: facts.source,
    takenAt: now.toISOString(),
    cluster: facts.cluster,
    process: facts.process,
    stream: {
      state: stream.state,
      since: iso(stream.since),
      standby: stream.standby,
      timeline: stream.timeline,
      serverLsn: facts.marks.end === null ? null : formatLsn(facts.marks.end),
      serverSeenAt: iso(stream.serverSeenAt),
      systemIdentifier: stream.systemIdentifier,
      lastError: stream.lastError,
    },
    positions,
    loss: losses(facts),
    archive: archiveFacts(facts),
    slot: facts.slot,
    directory: facts.directory,
    counters: facts.counters,
    coverage: facts.coverage === null || isElsewhere(facts) ? null : describeCoverage(facts.coverage),
    events: facts.events,
  } as const
  return { ...withoutVerdict, verdict: judge(withoutVerdict, thresholds) }
}

/**
 * Another receiver is at work, and only that one can tell how far it is and what it is about to send: our own
 * positions would look like a lag that grows, and its uploads like holes.
 */
function isElsewhere({ stream }: StatusFacts): boolean {
  return stream.state === 'standby'
}

function positionOf(facts: StatusFacts, name: PositionName): Position {
  const { marks, nowMs } = facts
  const lsn = facts.positions[name]
  if (lsn === null || isElsewhere(facts))
    return { lsn: null, lagBytes: null, lagSeconds: null, atLeast: false }
  const age = marks.ageAt(lsn, nowMs)
  const lagBytes = marks.end === null ? null : behind(lsn, marks.end)
  const stale = isStale(facts)
  // A server that is not heard may have written since: then no lag is no news.
  if (stale && lagBytes === 0)
    return { lsn: formatLsn(lsn), lagBytes: null, lagSeconds: null, atLeast: false }
  return {
    lsn: formatLsn(lsn),
    lagBytes,
    lagSeconds: age?.seconds ?? null,
    atLeast: stale || (age?.atLeast ?? false),
  }
}

/** Longer without a word of the server, and what it was last heard to have is only a lower bound. */
const STALE_MS = 45_000

function isStale({ stream, now, source }: StatusFacts): boolean {
  if (source === 'at-rest' || stream.serverSeenAt === null) return false
  return now.getTime() - stream.serverSeenAt.getTime() > STALE_MS
}

function behind(lsn: Lsn, end: Lsn): number {
  return end > lsn ? Number(end - lsn) : 0
}

/**
 * What each disaster would cost. The server keeps what it was not told is safe, so the directory alone is the
 * only copy of what lies between the archive's end and the reported position. Without a slot the server
 * may remove what it likes, and everything received counts.
 */
function losses(facts: StatusFacts): Record<Disaster, PossibleLoss> {
  const { positions, marks, archive, slot } = facts
  const end = marks.end
  const never = unknownLoss('the server was not heard yet')
  const noStore = unknownLoss('there is no store: the directory is the only copy')
  const noEnd = unknownLoss('the end of the archive is not known yet')
  const noReport = unknownLoss('the server was not told anything yet')
  if (isElsewhere(facts)) {
    const elsewhere = unknownLoss('another receiver is at work, and can tell')
    return { server: elsewhere, directory: elsewhere, both: elsewhere }
  }
  const server =
    end === null || positions.written === null ? never : lossOnServer(facts, positions.written, end)
  if (archive === null) return { server, directory: noStore, both: noStore }
  if (positions.archived === null) return { server, directory: noEnd, both: noEnd }
  const onlyHere = slot.name === null ? positions.received : positions.reported
  return {
    server,
    directory: onlyHere === null ? noReport : lossBetween(facts, positions.archived, onlyHere),
    both: end === null ? never : lossOnServer(facts, positions.archived, end),
  }
}

/** The same, up to where the server is. */
function lossOnServer(facts: StatusFacts, safe: Lsn, end: Lsn): PossibleLoss {
  const loss = lossBetween(facts, safe, end)
  if (!isStale(facts)) return loss
  return loss.bytes === 0 ? unknownLoss('the server is not heard any more') : { ...loss, atLeast: true }
}

/** Everything from `safe` on up to `end` is lost. */
function lossBetween({ marks, nowMs }: StatusFacts, safe: Lsn, end: Lsn): PossibleLoss {
  if (safe >= end) return { bytes: 0, seconds: 0, atLeast: false, unknown: null }
  const age = marks.ageAt(safe, nowMs)
  return {
    bytes: Number(end - safe),
    seconds: age?.seconds ?? null,
    atLeast: age?.atLeast ?? false,
    unknown: null,
  }
}

function unknownLoss(unknown: string): PossibleLoss {
  return { bytes: null, seconds: null, atLeast: false, unknown }
}

function archiveFacts({ archive, now }: StatusFacts): ArchiveFacts | null {
  if (archive === null) return null
  const { oldestPendingAt, failingSince, lastSuccessAt, ...rest } = archive
  return {
    ...rest,
    failingSince: iso(failingSince),
    lastSuccessAt: iso(lastSuccessAt),
    oldestPendingSeconds:
      oldestPendingAt === null ? null : Math.max(0, now.getTime() - oldestPendingAt.getTime()) / 1000,
  }
}

function iso(date: Date | null): string | null {
  return date === null ? null : date.toISOString()
}
