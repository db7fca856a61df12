/** WAL that is known for every position and timeline: what the simulated primary sends, and the oracle compares with. */
import { formatLsn, type Lsn, segmentFileName } from '../../src/wal/index.js'
import { SEGMENT_SIZE, WalBytes } from '../records/wal-bytes.js'
import { below, type Random, randomNumbers } from '../support/random.js'

export { SEGMENT_SIZE }

const FIRST_LSN = BigInt(SEGMENT_SIZE) as Lsn
const SEGMENTS_PER_TIMELINE = 2.4

export interface SimulatedTimeline {
  readonly timeline: number
  /** Where the next one branches off; the end of all WAL on the last one. */
  readonly end: Lsn
  /** From the first position of all on. */
  readonly bytes: Buffer
}

export class SimulatedHistory {
  readonly first = FIRST_LSN
  readonly timelines: readonly SimulatedTimeline[]

  /** Valid pages and records, of any length, partly of noise. */
  constructor(seed: number, timelineCount: number) {
    const random = randomNumbers(seed)
    const wal = new WalBytes(FIRST_LSN)
    const timelines: SimulatedTimeline[] = []
    for (let timeline = 1; timeline <= timelineCount; timeline++) {
      wal.timeline = timeline
      const length = SEGMENTS_PER_TIMELINE * SEGMENT_SIZE * (0.6 + 0.8 * random())
      for (const goal = wal.lsn + BigInt(Math.floor(length)); wal.lsn < goal; )
        wal.record({ body: recordBody(random) })
      timelines.push({ timeline, end: wal.lsn, bytes: wal.bytes })
    }
    this.timelines = timelines
  }

  get lastTimeline(): number {
    return this.timelines.length
  }

  timeline(timeline: number): SimulatedTimeline {
    return this.timelines[timeline - 1]!
  }

  bytes(timeline: number, from: Lsn, to: Lsn): Buffer {
    return this.timeline(timeline).bytes.subarray(Number(from - FIRST_LSN), Number(to - FIRST_LSN))
  }

  /** Bytes of one segment's file, as far as there is WAL of this timeline. */
  segment(timeline: number, segmentNumber: bigint): Buffer {
    const start = (segmentNumber * BigInt(SEGMENT_SIZE)) as Lsn
    const end = (start + BigInt(SEGMENT_SIZE)) as Lsn
    const known = this.timeline(timeline).end
    return this.bytes(timeline, start, end < known ? end : known)
  }

  segmentName(timeline: number, segmentNumber: bigint): string {
    return segmentFileName(timeline, segmentNumber, SEGMENT_SIZE)
  }

  historyFile(timeline: number): string {
    return this.timelines
      .slice(0, timeline - 1)
      .map(({ timeline: left, end }) => `${left}\t${formatLsn(end)}\tno recovery target specified\n`)
      .join('\n')
  }
}

function recordBody(random: Random): Buffer {
  const body = Buffer.alloc(1 + Math.floor(40_000 ** random()), below(random, 256))
  if (random() < 0.5) for (let at = 0; at < body.length; at++) body[at] = below(random, 256)
  return body
}
