import { type CompressionAlgorithm, fileExtension } from '../codec/index.js'
import { parseSegmentFileName } from '../wal/index.js'

/**
 * The names in a WAL directory. A file whose segment is not complete ends in `.partial`; a file that
 * must not be seen yet has a dot name, which archivers and backup tools that share the directory skip.
 */
export interface WalFileName {
  /** As it stands in the directory. */
  readonly name: string
  readonly timeline: number
  readonly segment: bigint
  readonly algorithm: CompressionAlgorithm
  readonly partial: boolean
}

const SUFFIX = /^(\.gz|\.lz4)?(\.partial)?$/

const ALGORITHMS: Readonly<Record<string, CompressionAlgorithm>> = { '.gz': 'gzip', '.lz4': 'lz4' }

/** Reads a name; null for all that is not a segment's file, as PostgreSQL's tools see it. */
export function parseWalFileName(name: string, segmentSize: number): WalFileName | null {
  const suffix = SUFFIX.exec(name.slice(24))
  if (suffix === null) return null
  const parsed = parseSegmentFileName(name.slice(0, 24), segmentSize)
  if (parsed === null) return null
  return {
    name,
    timeline: parsed.timeline,
    segment: parsed.segment,
    algorithm: ALGORITHMS[suffix[1] ?? ''] ?? 'none',
    partial: suffix[2] !== undefined,
  }
}

/** The timeline of a history file's name, compressed or not; null for any other name. */
export function historyTimeline(name: string): number | null {
  const digits = /^([0-9A-F]{8})\.history(?:\.gz|\.lz4)?$/.exec(name)?.[1]
  return digits === undefined ? null : Number.parseInt(digits, 16)
}

/** Name of a complete segment's file. */
export function finalFileName(segmentName: string, algorithm: CompressionAlgorithm): string {
  return segmentName + fileExtension(algorithm)
}

/** Name while the segment is open. */
export function partialFileName(segmentName: string, algorithm: CompressionAlgorithm): string {
  return `${finalFileName(segmentName, algorithm)}.partial`
}

/** Name of a file that is not to be seen yet. Its bytes are never acknowledged under this name. */
export function hiddenFileName(segmentName: string): string {
  return `.walship-${segmentName}.tmp`
}

/** True for names of {@link hiddenFileName}: left over when a receiver was killed, and safe to remove. */
export function isHiddenFileName(name: string): boolean {
  return /^\.walship-[0-9A-F]{24}\.tmp$/.test(name)
}

/** The better place to go on from first: newer segment, newer timeline, complete before partial. */
export function compareForStart(a: WalFileName, b: WalFileName): number {
  if (a.segment !== b.segment) return a.segment > b.segment ? -1 : 1
  if (a.timeline !== b.timeline) return b.timeline - a.timeline
  return Number(a.partial) - Number(b.partial)
}
