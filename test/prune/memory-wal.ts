/** WAL of many timelines that is kept in memory, as names only, and what a recovery would read of it. */
import type {
  CommitTimeSource,
  LockedUntil,
  PrunableFile,
  PrunableWal,
  SegmentCommits,
} from '../../src/prune/index.js'
import { formatLsn, type Lsn, segmentFileName, segmentNumber } from '../../src/wal/index.js'

export const SEGMENT_SIZE = 1024 * 1024

export interface MemoryTimeline {
  readonly timeline: number
  readonly ancestors: readonly { readonly timeline: number; readonly switchPoint: Lsn }[]
}

export class MemoryWal implements PrunableWal, CommitTimeSource {
  readonly name = 'memory'
  readonly isNear = false
  files: PrunableFile[] = []
  timelines: MemoryTimeline[] = []
  gaps: { timeline: number; from: Lsn; to: Lsn }[] = []
  backups: [] = []
  /** By file name; a segment that is not in here has no index. */
  readonly commits = new Map<string, SegmentCommits>()
  readonly locks = new Map<string, LockedUntil>()
  readonly asked: string[] = []
  readonly removed: string[] = []
  indexesRemoved: string[] = []
  reads = 0

  add(
    timeline: number,
    segment: bigint,
    kind: PrunableFile['kind'] = 'segment',
    storedAt: Date | null = null,
  ): PrunableFile {
    const plain = segmentFileName(timeline, segment, SEGMENT_SIZE)
    const name = kind === 'partial' ? `${plain}.partial` : plain
    const file = { name, timeline, segment, kind, storedBytes: 1000, storedAt }
    this.files.push(file)
    return file
  }

  async inventory() {
    const histories = this.timelines.map(({ timeline }) => timeline).filter((timeline) => timeline > 1)
    const { files, gaps, backups } = this
    return {
      ...{ segmentSize: SEGMENT_SIZE, systemIdentifier: 7n, histories },
      ...{ files: [...files], gaps: [...gaps], backups },
    }
  }

  async readHistory(timeline: number): Promise<Buffer | null> {
    const found = this.timelines.find((each) => each.timeline === timeline)
    if (found === undefined) return null
    const lines = found.ancestors.map(
      (each) => `${each.timeline}\t${formatLsn(each.switchPoint)}\tno reason\n`,
    )
    return Buffer.from(lines.join(''))
  }

  async lockOf(what: object): Promise<LockedUntil | null> {
    const name = 'name' in what ? String(what.name) : 'gap'
    this.asked.push(name)
    return this.locks.get(name) ?? null
  }

  async removeIndexes(files: readonly PrunableFile[]): Promise<void> {
    this.indexesRemoved.push(...files.map(({ name }) => name))
  }

  async remove(file: PrunableFile): Promise<void> {
    this.removed.push(file.name)
    this.files = this.files.filter((each) => each !== file)
  }

  async removeGap(gap: object): Promise<void> {
    this.gaps = this.gaps.filter((each) => each !== gap)
  }

  async indexed({ name, kind }: PrunableFile): Promise<SegmentCommits> {
    return kind === 'segment' ? this.commits.get(name) : undefined
  }

  async read({ name }: PrunableFile): Promise<SegmentCommits> {
    this.reads++
    return this.commits.get(`unread ${name}`) ?? null
  }
}

/**
 * What a server reads on its way from a segment to the end of a timeline: of each segment the file of the newest
 * timeline on the way that has it, and never again one of a timeline that it has left.
 * PostgreSQL: src/backend/access/transam/xlogrecovery.c (XLogFileReadAnyTLI).
 */
export function recoveryReads(
  files: readonly PrunableFile[],
  target: MemoryTimeline,
  from: bigint,
): PrunableFile[] {
  const way = [...target.ancestors, { timeline: target.timeline, switchPoint: null }]
  const reads: PrunableFile[] = []
  let current = 0
  for (let segment = from; ; segment++) {
    let found: PrunableFile | undefined
    for (let at = way.length - 1; at >= 0 && found === undefined; at--) {
      const { timeline } = way[at]!
      if (timeline < current) break
      const begin = at === 0 ? 0n : segmentNumber(way[at - 1]!.switchPoint!, SEGMENT_SIZE)
      if (segment < begin) continue
      found = files.find((file) => file.timeline === timeline && file.segment === segment)
    }
    if (found === undefined) return reads
    current = found.timeline
    reads.push(found)
  }
}

/** True where the recovery from this backup can go to the end of this timeline. */
export function isOnWay(
  target: MemoryTimeline,
  { timeline, start }: { readonly timeline: number | null; readonly start: Lsn },
): boolean {
  if (timeline === null || timeline === target.timeline) return true
  const left = target.ancestors.find((ancestor) => ancestor.timeline === timeline)
  return left !== undefined && start < left.switchPoint
}
