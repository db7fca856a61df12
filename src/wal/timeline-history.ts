import { type Lsn, parseLsn } from './lsn.js'

/** A timeline that was left, and where. */
export interface Ancestor {
  readonly timeline: number
  /** The first position that is not on it any more. */
  readonly switchPoint: Lsn
}

const MAX_TIMELINE = 0xffff_ffff

/**
 * Reads a timeline's history file: its ancestors, the oldest first.
 * PostgreSQL: src/backend/access/transam/timeline.c (readTimeLineHistory).
 *
 * @returns null when it is no such file
 */
export function parseTimelineHistory(content: Buffer): Ancestor[] | null {
  const ancestors: Ancestor[] = []
  for (const line of content.toString('utf8').split('\n')) {
    const text = line.trim()
    if (text === '' || text.startsWith('#')) continue
    const match = /^([0-9]{1,10})\s+([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})(\s|$)/.exec(text)
    if (match === null) return null
    const ancestor = { timeline: Number(match[1]), switchPoint: parseLsn(match[2]!) }
    const lowest = ancestors.at(-1)?.timeline ?? 0
    if (ancestor.timeline <= lowest || ancestor.timeline > MAX_TIMELINE) return null
    ancestors.push(ancestor)
  }
  return ancestors
}
