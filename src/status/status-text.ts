import { bytesText, count, durationText } from './quantity-text.js'
import {
  POSITION_NAMES,
  type Position,
  type PossibleLoss,
  type StatusSnapshot,
  type VerdictLevel,
} from './snapshot.js'

export interface StatusTextOptions {
  /** With ANSI colours. */
  readonly color: boolean
}

const MARKS = { safe: 'SAFE', warning: 'LOOK AT IT', danger: 'IN DANGER', unknown: 'NOT KNOWN' } as const
const COLORS = { safe: 32, warning: 33, danger: 31, unknown: 90 } as const
const LABEL_WIDTH = 24

/** One screen of the snapshot for a terminal. */
export function renderStatusText(snapshot: StatusSnapshot, { color }: StatusTextOptions): string {
  const { verdict, stream, loss } = snapshot
  const lines = [
    `${marked(verdict.level, color)}: ${verdict.headline}`,
    ...verdict.reasons.slice(1).map(({ text, level }) => `  ${paint('-', level, color)} ${text}`),
    '',
    ...(snapshot.cluster === null ? [] : [row('cluster', snapshot.cluster)]),
    ...(snapshot.source === 'at-rest' ? [] : [row('state', stateText(snapshot))]),
    row('timeline', stream.timeline === null ? 'not known' : String(stream.timeline)),
    ...(stream.serverLsn === null ? [] : [row('server', stream.serverLsn)]),
    ...POSITION_NAMES.flatMap((name) => positionRow(name, snapshot.positions[name])),
    ...(snapshot.source === 'at-rest'
      ? []
      : [
          '',
          row('lost with the server', lossText(loss.server)),
          row('lost with the directory', lossText(loss.directory)),
          row('lost with both', lossText(loss.both)),
        ]),
    '',
    ...placeRows(snapshot),
    ...coverageRows(snapshot),
  ]
  return `${lines.join('\n')}\n`
}

/** A level in words. */
export function marked(level: VerdictLevel, color: boolean): string {
  return paint(MARKS[level], level, color)
}

export function paint(text: string, level: VerdictLevel, color: boolean): string {
  return color ? `\u001b[${COLORS[level]}m${text}\u001b[0m` : text
}

function row(label: string, text: string): string {
  return `${label.padEnd(LABEL_WIDTH)}${text}`
}

function stateText({ stream, takenAt }: StatusSnapshot): string {
  const forHowLong =
    stream.since === null
      ? ''
      : ` for ${durationText((Date.parse(takenAt) - Date.parse(stream.since)) / 1000)}`
  return `${stream.state}${forHowLong}`
}

function positionRow(name: string, { lsn, lagBytes, lagSeconds, atLeast }: Position): string[] {
  if (lsn === null) return []
  if (lagBytes === null) return [row(name, lsn)]
  if (lagBytes === 0) return [row(name, `${lsn.padEnd(18)} up to date`)]
  const age = lagSeconds === null ? '' : ` ${atLeast ? 'at least ' : ''}${durationText(lagSeconds)}`
  return [row(name, `${lsn.padEnd(18)} behind by ${bytesText(lagBytes)},${age}`)]
}

function lossText({ bytes, seconds, atLeast, unknown }: PossibleLoss): string {
  if (bytes === null) return `not known: ${unknown}`
  if (bytes === 0) return 'nothing'
  const age = seconds === null ? '' : `, ${atLeast ? 'at least ' : ''}the last ${durationText(seconds)}`
  return `${bytesText(bytes)}${age}`
}

function placeRows({ slot, archive, directory }: StatusSnapshot): string[] {
  const rows: string[] = []
  if (slot.name !== null) {
    const safe =
      slot.safeWalBytes === null ? 'no limit is set' : `${bytesText(slot.safeWalBytes)} until it may be lost`
    rows.push(row(`slot ${slot.name}`, slot.unknown ?? `${slot.walStatus ?? 'state not known'}, ${safe}`))
  }
  if (archive !== null) {
    rows.push(row('store', `${archive.store}, ${archive.state}`))
    if (archive.lastError !== null)
      rows.push(row('last error of the store', `${archive.lastError.message} (${archive.lastError.at})`))
    if (archive.pendingSegments !== null)
      rows.push(row('waiting for the store', pendingText(archive.pendingSegments, archive)))
  }
  const { freeBytes, totalBytes, walFiles, walBytes, path } = directory
  if (freeBytes !== null && totalBytes !== null)
    rows.push(row('free in directory', `${bytesText(freeBytes)} of ${bytesText(totalBytes)}`))
  if (walFiles !== null && walBytes !== null)
    rows.push(row('WAL in directory', `${count(walFiles, 'file')}, ${bytesText(walBytes)} in ${path}`))
  return rows
}

function pendingText(
  segments: number,
  archive: { readonly pendingBytes: number | null; readonly oldestPendingSeconds: number | null },
): string {
  if (segments === 0) return 'nothing'
  const { pendingBytes, oldestPendingSeconds } = archive
  const size = pendingBytes === null ? '' : `, ${bytesText(pendingBytes)}`
  const age = oldestPendingSeconds === null ? '' : `, the oldest for ${durationText(oldestPendingSeconds)}`
  return `${count(segments, 'segment')}${size}${age}`
}

function coverageRows({ coverage }: StatusSnapshot): string[] {
  if (coverage === null) return []
  const { window, gaps } = coverage
  return [
    row(
      'recovery window',
      window === null
        ? 'nothing is archived'
        : `${window.from} to ${window.to}, ${bytesText(window.bytes)} without a hole`,
    ),
    ...(window === null || window.firstCommitAt === null || window.lastCommitAt === null
      ? []
      : [
          row(
            '  in time',
            `${window.firstCommitAt} to ${window.lastCommitAt}, and what is in the open segment`,
          ),
        ]),
    ...gaps.map(({ from, to, bytes, timeline, recorded }) =>
      row(recorded ? 'accepted gap' : 'GAP', `${from} to ${to} on timeline ${timeline}, ${bytesText(bytes)}`),
    ),
  ]
}
