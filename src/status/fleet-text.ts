import { type Fleet, oneLine } from './fleet.js'
import { durationText } from './quantity-text.js'
import type { Position, StatusSnapshot } from './snapshot.js'
import { marked, paint, type StatusTextOptions } from './status-text.js'

/** One screen for several clusters: what is the matter with each, and how far it is. */
export function renderFleetText(fleet: Fleet, { color }: StatusTextOptions): string {
  const width = Math.max(...fleet.clusters.map(({ cluster }) => (cluster ?? '').length))
  const lines = fleet.clusters.flatMap((snapshot) => {
    const { verdict, cluster } = snapshot
    return [
      `${(cluster ?? '').padEnd(width)}  ${marked(verdict.level, color)}: ${oneLine(verdict.headline)}`,
      ...verdict.reasons
        .slice(1)
        .map(({ text, level }) => `${' '.repeat(width + 2)}${paint('-', level, color)} ${oneLine(text)}`),
      `${' '.repeat(width + 2)}${placeText(snapshot)}`,
    ]
  })
  return `${marked(fleet.level, color)}: ${fleet.headline}\n\n${lines.join('\n')}\n\n--cluster NAME shows one of them whole.\n`
}

function placeText({ stream, positions, source }: StatusSnapshot): string {
  const parts: string[] = source === 'at-rest' ? [] : [stream.state]
  if (positions.written.lsn !== null) parts.push(`written ${positionText(positions.written)}`)
  if (positions.archived.lsn !== null) parts.push(`archived ${positionText(positions.archived)}`)
  return parts.join(', ')
}

function positionText({ lsn, lagBytes, lagSeconds, atLeast }: Position): string {
  if (lagBytes === null || lagSeconds === null) return `up to ${lsn}`
  if (lagBytes === 0) return 'up to date'
  return `${atLeast ? 'at least ' : ''}${durationText(lagSeconds)} behind`
}
