/** What a directory holds after a disaster, against what the server sent and what it was told is safe. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatLsn, type Lsn, lsnMin, parseSegmentFileName } from '../../src/wal/index.js'
import { readableContent } from '../segments/readable-content.js'

const SUFFIXES = ['', '.gz', '.lz4', '.partial', '.gz.partial', '.lz4.partial']

/** The bytes a server sent for one segment, from its start on. */
export type SentSegment = (timeline: number, segment: bigint) => Buffer

/** A stretch that must be held on one timeline. */
export interface ClaimedRange {
  readonly timeline: number
  readonly from: Lsn
  readonly to: Lsn
}

export function readImage(directory: string): Map<string, Buffer> {
  return new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))]))
}

/** Bytes that should be there and are not. */
export interface Lack {
  readonly segmentName: string
  readonly text: string
  readonly byteCount: number
}

/** Looks for everything in the range in files that a restart or a person finds. @returns what is not there */
export async function lackingBytes(
  image: ReadonlyMap<string, Buffer>,
  range: ClaimedRange,
  segmentSize: number,
  nameOf: (timeline: number, segment: bigint) => string,
  sent: SentSegment,
): Promise<Lack[]> {
  const size = BigInt(segmentSize)
  const lacks: Lack[] = []
  for (let segment = range.from / size; segment * size < range.to; segment++) {
    const start = (segment * size) as Lsn
    const end = lsnMin(range.to, (start + size) as Lsn)
    const offset = range.from > start ? Number(range.from - start) : 0
    const wanted = sent(range.timeline, segment).subarray(offset, Number(end - start))
    const name = nameOf(range.timeline, segment)
    const seen: string[] = []
    let held = 0
    for (const suffix of SUFFIXES) {
      const bytes = image.get(name + suffix)
      if (bytes === undefined || held === wanted.length) continue
      const content = await readableContent(name + suffix, bytes, Number(end - start))
      const good = equalLength(content.subarray(offset), wanted)
      held = Math.max(held, good)
      seen.push(`${name}${suffix} is good up to ${formatLsn((start + BigInt(offset + good)) as Lsn)}`)
    }
    if (held < wanted.length)
      lacks.push({
        segmentName: name,
        text: `all up to ${formatLsn(end)} on timeline ${range.timeline} has to be there: ${seen.join(', ') || `no ${name}`}`,
        byteCount: wanted.length - held,
      })
  }
  return lacks
}

function equalLength(content: Buffer, wanted: Buffer): number {
  if (content.equals(wanted)) return wanted.length
  const bad = wanted.findIndex((byte, at) => byte !== content[at])
  return bad < 0 ? wanted.length : bad
}

/** A final name is seen only on a whole segment with the right bytes. @returns one sentence for each breach */
export async function wrongFinalFiles(
  image: ReadonlyMap<string, Buffer>,
  segmentSize: number,
  sent: SentSegment,
): Promise<string[]> {
  const wrong: string[] = []
  for (const [name, bytes] of image) {
    const parsed = parseSegmentFileName(name.slice(0, 24), segmentSize)
    if (parsed === null || !['', '.gz', '.lz4'].includes(name.slice(24))) continue
    const content = await readableContent(name, bytes, segmentSize + 1)
    const expected = sent(parsed.timeline, parsed.segment)
    if (content.length !== segmentSize || !content.equals(expected))
      wrong.push(
        `${name} has its final name, and ${content.length} bytes that are not the server's ${expected.length}`,
      )
  }
  return wrong
}
