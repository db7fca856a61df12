import { readFile } from 'node:fs/promises'
import { writeFileDurably } from '../base/index.js'
import { RangeSet } from './range-set.js'

/** A dot name: tools that share the directory do not see it. */
export const MARKS_FILE_NAME = '.walship-archived'

/** What an earlier run has proved to be in the archive. */
export interface ArchivedMarks {
  readonly segments: Map<number, RangeSet>
  /** Names of left segments, `.partial` included. */
  readonly partials: Set<string>
}

/**
 * Reads what an earlier run has noted. It saves work and decides nothing alone: without it, or when it
 * cannot be read, or is about another archive, everything in the directory is offered to the archive again.
 *
 * @param archive the archive's name
 */
export async function readMarks(directory: string, archive: string): Promise<ArchivedMarks> {
  const marks: ArchivedMarks = { segments: new Map(), partials: new Set() }
  try {
    const content = JSON.parse(await readFile(`${directory}/${MARKS_FILE_NAME}`, 'utf8'))
    if (content.archive !== archive) return marks
    for (const [timeline, ranges] of Object.entries<[string, string][]>(content.segments)) {
      const set = new RangeSet()
      for (const [from, to] of ranges) set.add(BigInt(from), BigInt(to))
      marks.segments.set(Number(timeline), set)
    }
    for (const name of content.partials) marks.partials.add(String(name))
  } catch {
    return { segments: new Map(), partials: new Set() }
  }
  return marks
}

/**
 * Notes what is proved. Without fsync: after a crash an older note, or none, is only more work.
 *
 * @param before what the last call returned: nothing is written when nothing has changed
 * @throws the operating system's error
 */
export async function writeMarks(
  directory: string,
  archive: string,
  marks: ArchivedMarks,
  before: string,
): Promise<string> {
  const segments: Record<string, [string, string][]> = {}
  for (const [timeline, set] of marks.segments) {
    if (set.first === null) continue
    segments[timeline] = set.ranges.map(({ from, to }) => [String(from), String(to)])
  }
  const content = `${JSON.stringify({ archive, segments, partials: [...marks.partials] })}\n`
  if (
    content === before ||
    (before === '' && marks.partials.size === 0 && Object.keys(segments).length === 0)
  )
    return before
  await writeFileDurably(`${directory}/${MARKS_FILE_NAME}`, Buffer.from(content), {
    mode: 0o600,
    durable: false,
  })
  return content
}

/**
 * Which segments need not be offered again, given the names in the archive from the oldest local
 * segment on: those noted that are there, and those noted that lie before all that is there, because
 * a retention rule has taken them out of the archive since. Names that are there and were not noted
 * prove nothing about the bytes.
 */
export function provedAtStart(noted: RangeSet, listed: RangeSet): RangeSet {
  const proved = noted.within(listed)
  const { first } = listed
  if (first !== null) proved.addAll(noted.within(new RangeSet([{ from: 0n, to: first }])))
  return proved
}
