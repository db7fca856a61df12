/** The WAL files of a stopped or idle server, as pieces to be read. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Ancestor,
  type Lsn,
  parseSegmentFileName,
  parseTimelineHistory,
  segmentStart,
} from '../../src/wal/index.js'

export interface ServerSegment {
  readonly name: string
  readonly lsn: Lsn
  readonly bytes: Buffer
}

/** Segments of a timeline in order. Files that were made ready for later hold old WAL or zeros and are left out. */
export async function serverWal(
  walDirectory: string,
  segmentSize: number,
  timeline: number,
): Promise<ServerSegment[]> {
  const segments: ServerSegment[] = []
  for (const file of (await readdir(walDirectory)).sort()) {
    const name = file.replace(/\.partial$/, '')
    const parsed = parseSegmentFileName(name, segmentSize)
    if (parsed === null || parsed.timeline !== timeline) continue
    const bytes = await readFile(join(walDirectory, file))
    const lsn = segmentStart(parsed.segment, segmentSize)
    if (bytes.readBigUInt64LE(8) === lsn) segments.push({ name, lsn, bytes })
  }
  return segments
}

export async function ancestorsOf(walDirectory: string, timeline: number): Promise<readonly Ancestor[]> {
  if (timeline === 1) return []
  const name = `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`
  return parseTimelineHistory(await readFile(join(walDirectory, name)))!
}
