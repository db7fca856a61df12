/** What an archive holds, compared byte by byte with a server's own pg_wal. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { waitFor } from '../../scripts/wait-for.js'
import { coveredEnd, type WalArchive } from '../../src/store/index.js'
import {
  formatLsn,
  type Lsn,
  parseSegmentFileName,
  segmentFileName,
  segmentStart,
} from '../../src/wal/index.js'
import { SEGMENT_SIZE } from '../live/test-server.js'

const LOOK_INTERVAL_MS = 100

/** Waits until the archive reaches this position, tail included. */
export async function archived(archive: WalArchive, lsn: Lsn, timeoutMs?: number): Promise<void> {
  await waitFor(
    `the archive to reach ${formatLsn(lsn)}`,
    async () => {
      const end = await archive.findEnd()
      if (end !== null && end.lsn >= lsn) return true
      await sleep(LOOK_INTERVAL_MS)
      return false
    },
    timeoutMs,
  )
}

/** The names of a timeline's finished segments in the archive. */
export async function archivedNames(archive: WalArchive, timeline = 1): Promise<string[]> {
  const names: string[] = []
  for await (const name of archive.listSegments(timeline)) names.push(name)
  return names
}

/** Where the oldest segment in the archive starts. */
export async function firstArchived(archive: WalArchive, timeline = 1): Promise<Lsn> {
  const [first] = await archivedNames(archive, timeline)
  const parsed = first === undefined ? null : parseSegmentFileName(first, SEGMENT_SIZE)
  if (parsed === null) throw new Error('the archive holds no segment')
  return segmentStart(parsed.segment, SEGMENT_SIZE)
}

/**
 * Compares every byte from `from` to `to`: finished segments, and the open one from its parts.
 *
 * @param range.from by default the start of the oldest segment in the archive
 * @returns the names of the finished segments that were compared
 * @throws at the first byte that is missing or different, saying where
 */
export async function expectArchivedWal(
  archive: WalArchive,
  walDirectory: string,
  range: { from?: Lsn; to: Lsn; timeline?: number },
): Promise<string[]> {
  const { timeline = 1, to } = range
  const size = BigInt(SEGMENT_SIZE)
  const from = range.from ?? (await firstArchived(archive, timeline))
  const finished: string[] = []
  for (let segment = from / size; segment * size < to; segment++) {
    const name = segmentFileName(timeline, segment, SEGMENT_SIZE)
    const end = Number(to - segment * size < size ? to - segment * size : size)
    const whole = await archive.getSegment(name)
    if (whole !== null) finished.push(name)
    const held = whole ?? (await joinedTail(archive, timeline, segment))
    const served = (await readFile(join(walDirectory, name))).subarray(0, end)
    if (held.length >= end && held.subarray(0, end).equals(served)) continue
    const offset = served.findIndex((byte, index) => byte !== held[index])
    const lsn = formatLsn((segment * size + BigInt(offset)) as Lsn)
    throw new Error(`the archive's ${name} (${held.length} bytes) differs from the server's file at ${lsn}`)
  }
  return finished
}

async function joinedTail(archive: WalArchive, timeline: number, segment: bigint): Promise<Buffer> {
  const parts = await archive.listTailParts(timeline, segment)
  const joined = Buffer.alloc(coveredEnd(parts))
  for (const part of parts) (await archive.readTailPart(part)).copy(joined, part.from)
  return joined
}
