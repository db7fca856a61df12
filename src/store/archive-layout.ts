import { STORE_ALGORITHMS, storeExtension } from '../codec/index.js'
import { formatLsn, historyFileName, isSegmentFileName, type Lsn, toLsn } from '../wal/index.js'

/**
 * The keys of an archive. They are immutable and say themselves what they hold:
 *
 *     cluster.json                                   whose WAL it is
 *     wal/<timeline>/<segment>[.lz4|.zst|.gz]        a finished segment
 *     wal/<timeline>/<segment>.partial[...]          the last segment of a timeline that was left
 *     history/<timeline>.history
 *     tail/<timeline>/<segment>/<from>-<to>          bytes of the open segment; compression in the metadata
 *     gaps/<timeline>-<from>-<to>.json               a hole that was accepted knowingly
 *     index/<format>/<timeline>/<segment>.json       what a finished segment holds; can be made again from it
 *
 * Timelines, positions and offsets are upper-case hexadecimal of fixed width, so that keys sort as what
 * they stand for.
 */
export const IDENTITY_KEY = 'cluster.json'

/** The folders that hold WAL: an archive is empty when there is nothing in them. */
export const WAL_FOLDERS: readonly string[] = ['wal/', 'history/', 'tail/']

/** Sorts behind every key that begins with a segment's name. */
const LAST = '~'

const EXTENSIONS = STORE_ALGORITHMS.map(storeExtension).filter((extension) => extension !== '')

function hex(value: bigint | number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0')
}

export function walFolder(timeline: number): string {
  return `wal/${hex(timeline, 8)}/`
}

/** @param name a segment's 24 digits, with or without `.partial` */
export function walKey(name: string, extension: string): string {
  return `wal/${name.slice(0, 8)}/${name}${extension}`
}

/** Behind all objects of a segment. */
export function behindSegment(name: string): string {
  return `${walKey(name, '')}${LAST}`
}

export interface WalObjectName {
  /** 24 digits, or these and `.partial`. */
  readonly name: string
  readonly extension: string
}

/** @returns null for a key that is no segment's */
export function parseWalKey(key: string): WalObjectName | null {
  const file = key.slice(key.lastIndexOf('/') + 1)
  const extension = EXTENSIONS.find((known) => file.endsWith(known)) ?? ''
  const name = file.slice(0, file.length - extension.length)
  return isArchivedName(name) && key === walKey(name, extension) ? { name, extension } : null
}

/** True for 24 digits, and for these and `.partial`. */
export function isArchivedName(name: string): boolean {
  return isSegmentFileName(name.endsWith('.partial') ? name.slice(0, -8) : name)
}

export const HISTORY_FOLDER = 'history/'

export function historyKey(timeline: number): string {
  return HISTORY_FOLDER + historyFileName(timeline)
}

export function parseHistoryKey(key: string): number | null {
  const match = /^history\/([0-9A-F]{8})\.history$/.exec(key)
  return match === null ? null : Number.parseInt(match[1]!, 16)
}

export function tailTimelineFolder(timeline: number): string {
  return `tail/${hex(timeline, 8)}/`
}

/** @param name the segment's 24 digits */
export function tailFolder(name: string): string {
  return `tail/${name.slice(0, 8)}/${name}/`
}

export function tailKey(name: string, from: number, to: number): string {
  return `${tailFolder(name)}${hex(from, 8)}-${hex(to, 8)}`
}

export interface TailKey {
  /** The segment's 24 digits. */
  readonly name: string
  readonly from: number
  readonly to: number
}

/** @returns null for a key that is no tail part's */
export function parseTailKey(key: string): TailKey | null {
  const match = /^tail\/([0-9A-F]{8})\/([0-9A-F]{24})\/([0-9A-F]{8})-([0-9A-F]{8})$/.exec(key)
  if (match === null || !match[2]!.startsWith(match[1]!)) return null
  const part = { name: match[2]!, from: Number.parseInt(match[3]!, 16), to: Number.parseInt(match[4]!, 16) }
  return part.from < part.to ? part : null
}

export const GAP_FOLDER = 'gaps/'

/** A hole in what is archived: positions `from` up to, not including, `to`. */
export interface GapRange {
  readonly timeline: number
  readonly from: Lsn
  readonly to: Lsn
}

export function gapKey({ timeline, from, to }: GapRange): string {
  if (from >= to) throw new RangeError(`a gap from ${formatLsn(from)} to ${formatLsn(to)} holds nothing`)
  return `${GAP_FOLDER}${hex(timeline, 8)}-${hex(from, 16)}-${hex(to, 16)}.json`
}

export function parseGapKey(key: string): GapRange | null {
  const match = /^gaps\/([0-9A-F]{8})-([0-9A-F]{16})-([0-9A-F]{16})\.json$/.exec(key)
  if (match === null) return null
  return {
    timeline: Number.parseInt(match[1]!, 16),
    from: toLsn(BigInt(`0x${match[2]}`)),
    to: toLsn(BigInt(`0x${match[3]}`)),
  }
}

/**
 * An index is an object of its own, not metadata of the segment: metadata must be there before the segment is sent,
 * and could not be added to segments that are in the archive. The format is in the key, because a key is never
 * written twice.
 *
 * @param name the segment's 24 digits
 */
export function indexKey(name: string, format: number): string {
  return `index/${format}/${name.slice(0, 8)}/${name}.json`
}
