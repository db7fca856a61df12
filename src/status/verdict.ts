import type { Thresholds } from './facts.js'
import { bytesText, count, durationText } from './quantity-text.js'
import type { StatusSnapshot, Verdict, VerdictLevel, VerdictReason } from './snapshot.js'

type Judged = Omit<StatusSnapshot, 'verdict'>

/** Whether the data is safe, and why not. Pure. The order of the checks is the order of the reasons. */
export function judge(snapshot: Judged, thresholds: Thresholds): Verdict {
  const reasons = [
    ...slotReasons(snapshot),
    ...coverageReasons(snapshot),
    ...streamReasons(snapshot),
    ...damageReasons(snapshot),
    ...lagReasons(snapshot, thresholds),
    ...archiveReasons(snapshot),
    ...spaceReasons(snapshot),
  ]
  reasons.sort((a, b) => Number(b.level === 'danger') - Number(a.level === 'danger'))
  const streaming = snapshot.stream.state === 'streaming'
  const level: VerdictLevel =
    reasons[0]?.level ?? (streaming || snapshot.source === 'at-rest' ? 'safe' : 'unknown')
  return {
    level,
    headline: reasons[0]?.text ?? goodNews(snapshot),
    reasons,
    ready:
      (streaming || snapshot.stream.state === 'standby') && !reasons.some(({ blocksReady }) => blocksReady),
  }
}

function goodNews(snapshot: Judged): string {
  const { archive, loss, positions, source, stream } = snapshot
  if (source === 'at-rest') return archive === null ? 'the directory has no hole' : 'the archive has no hole'
  if (stream.state === 'standby') return `standing by: ${stream.standby}`
  if (stream.state !== 'streaming') return 'nothing is known yet'
  if (archive === null)
    return positions.reported.lsn === null
      ? 'streaming; there is no store, this directory is the only copy'
      : 'streaming; the server is told what is safe in this directory'
  const { seconds, bytes } = loss.both
  if (bytes === 0) return 'everything the server has written is archived'
  if (bytes === null || seconds === null) return 'streaming; what is archived is not known yet'
  return `everything is archived but the last ${durationText(seconds)} (${bytesText(bytes)})`
}

function danger(code: string, text: string, blocksReady = true): VerdictReason {
  return { level: 'danger', code, text, blocksReady }
}

function warning(code: string, text: string, blocksReady = false): VerdictReason {
  return { level: 'warning', code, text, blocksReady }
}

function slotReasons({ slot }: Judged): VerdictReason[] {
  if (slot.walStatus === 'lost')
    return [danger('slot-lost', `slot "${slot.name}" is lost: the server has removed WAL it should keep`)]
  if (slot.walStatus === 'unreserved')
    return [
      danger('slot-unreserved', `slot "${slot.name}" is about to be lost at the next checkpoint`, false),
    ]
  if (slot.walStatus === 'extended')
    return [
      warning(
        'slot-extended',
        slot.safeWalBytes === null
          ? `the server keeps more WAL for slot "${slot.name}" than max_wal_size`
          : `slot "${slot.name}" is lost after ${bytesText(slot.safeWalBytes)} more of WAL`,
      ),
    ]
  return []
}

function coverageReasons({ coverage, stream }: Judged): VerdictReason[] {
  const fresh = coverage?.gaps.filter(({ recorded }) => !recorded) ?? []
  const newest = fresh.at(-1)
  if (newest !== undefined)
    return [
      danger(
        'coverage-gap',
        `the archive has a hole from ${newest.from} to ${newest.to}: no recovery can cross it`,
        false,
      ),
    ]
  const known = coverage?.gaps.at(-1)
  if (known !== undefined && known.timeline === stream.timeline)
    return [
      warning('recorded-gap', `a gap up to ${known.to} was accepted: base backups must be newer than it`),
    ]
  return []
}

function streamReasons({ stream, source }: Judged): VerdictReason[] {
  if (source === 'at-rest' || stream.state === 'streaming') return []
  if (stream.state === 'paused')
    return [danger('paused', 'too little free space in the directory: nothing is received')]
  const why = stream.lastError === null ? '' : `: ${stream.lastError.message}`
  if (stream.state === 'retrying') return [danger('not-streaming', `not streaming${why}`)]
  if (stream.state === 'failed') return [danger('failed', `given up${why}`)]
  if (stream.state === 'stopped') return [danger('stopped', 'receiving has stopped')]
  return []
}

/** Until the process ends: what was seen once is in the archive for good. */
function damageReasons({ counters }: Judged): VerdictReason[] {
  if (counters.damagedPlaces === 0) return []
  const where = count(counters.damagedPlaces, 'damaged place')
  return [danger('damaged-wal', `the server holds WAL with ${where}: no recovery gets beyond it`, false)]
}

function lagReasons({ positions }: Judged, thresholds: Thresholds): VerdictReason[] {
  const reasons: VerdictReason[] = []
  const check = (name: 'written' | 'archived', limit: number, what: string) => {
    const { lagSeconds, lagBytes } = positions[name]
    if (limit === 0 || lagSeconds === null || lagSeconds <= limit) return
    const size = lagBytes === null ? '' : `, ${bytesText(lagBytes)}`
    reasons.push(danger(`${name}-lag`, `${what} is ${durationText(lagSeconds)} behind the server${size}`))
  }
  check('written', thresholds.writtenLagSeconds, 'receiving')
  check('archived', thresholds.archivedLagSeconds, 'the archive')
  return reasons
}

function archiveReasons({ archive }: Judged): VerdictReason[] {
  if (archive === null) return []
  const reasons: VerdictReason[] = []
  if ((archive.stuckFiles ?? 0) > 0)
    reasons.push(danger('stuck-files', `${count(archive.stuckFiles ?? 0, 'file')} cannot be archived`, false))
  if (archive.state === 'at-rest' && (archive.pendingSegments ?? 0) > 0)
    reasons.push(
      warning(
        'not-archived',
        `${count(archive.pendingSegments ?? 0, 'finished segment')} only in the directory`,
      ),
    )
  if (archive.state === 'failing' || archive.state === 'opening') {
    const why = archive.lastError === null ? '' : `: ${archive.lastError.message}`
    if (archive.state === 'failing' || why !== '')
      reasons.push(warning('store-failing', `uploads fail${why}`))
  }
  return reasons
}

function spaceReasons({ directory, stream }: Judged): VerdictReason[] {
  const { freeBytes, minFreeBytes } = directory
  if (freeBytes === null || minFreeBytes === 0 || stream.state === 'paused') return []
  if (freeBytes >= 2 * minFreeBytes) return []
  return [
    warning(
      'little-space',
      `${bytesText(freeBytes)} are free; receiving stops at ${bytesText(minFreeBytes)}`,
    ),
  ]
}
