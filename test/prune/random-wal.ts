/** Random trees of timelines: failovers, restores to the past, timelines that go on side by side. */
import type { Lsn } from '../../src/wal/index.js'
import { MemoryWal, SEGMENT_SIZE } from './memory-wal.js'

/** Numbers that look random and are the same in each run. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed * 2_654_435_761 + 1
  }

  /** From 0 up to, not including, `limit`. */
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0
    return Math.floor(((this.#state >>> 0) / 2 ** 32) * limit)
  }

  chance(percent: number): boolean {
    return this.below(100) < percent
  }
}

export function randomWal(dice: Dice): MemoryWal {
  const wal = new MemoryWal()
  const count = 1 + dice.below(5)
  const ends = new Map<number, bigint>()
  const begins = new Map<number, bigint>()
  for (let timeline = 1; timeline <= count; timeline++) {
    let ancestors: MemoryWal['timelines'][number]['ancestors'] = []
    let begin = 1n + BigInt(dice.below(5))
    if (timeline > 1) {
      const parent = wal.timelines[dice.below(wal.timelines.length)]!
      const from = begins.get(parent.timeline)!
      const length = Number(ends.get(parent.timeline)! - from) + 1
      begin = from + BigInt(dice.below(length))
      const offset = dice.chance(20) ? 0n : BigInt(1 + dice.below(SEGMENT_SIZE - 1))
      const switchPoint = (begin * BigInt(SEGMENT_SIZE) + offset) as Lsn
      ancestors = [...parent.ancestors, { timeline: parent.timeline, switchPoint }]
      // A failover: the parent ends here, in a segment of which only a part is kept, or nothing.
      const isLeft =
        dice.chance(50) && !wal.timelines.some((t) => t.ancestors.at(-1)?.timeline === parent.timeline)
      if (isLeft) {
        wal.files = wal.files.filter((file) => file.timeline !== parent.timeline || file.segment < begin)
        if (dice.chance(70)) wal.add(parent.timeline, begin, dice.chance(50) ? 'partial' : 'tail')
        ends.set(parent.timeline, begin)
      }
    }
    const end = begin + BigInt(dice.below(12))
    wal.timelines.push({ timeline, ancestors })
    for (let segment = begin; segment <= end; segment++) wal.add(timeline, segment)
    if (dice.chance(60)) wal.add(timeline, end + 1n, 'tail')
    begins.set(timeline, begin)
    ends.set(timeline, end)
  }
  return wal
}
