import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { INVALID_LSN, type Lsn, lsnAdd, segmentNumber, segmentOffset } from '../../src/wal/index.js'
import { ArchiverTrial } from './archiver-trial.js'
import { at, FakeReceiver, nameAt, SEGMENT_SIZE, walOf } from './fake-receiver.js'
import { MemoryArchive } from './memory-archive.js'

let receiver: FakeReceiver

beforeEach(async () => {
  receiver = await FakeReceiver.create()
})

afterEach(() => receiver.remove())

function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return state / 0x7fffffff
  }
}

/** A stream that is written, cut, resumed and moved to new timelines while archivers come and go. */
class Story {
  readonly archive = new MemoryArchive()
  readonly #random: () => number
  readonly #ack: 'flushed' | 'archived'
  /** First segment of each timeline. */
  readonly begins = new Map([[1, 1]])
  trial: ArchiverTrial
  /** How far the timeline was streamed before the stream was cut. */
  #sent: Lsn = INVALID_LSN

  constructor(seed: number) {
    this.#random = randomNumbers(seed)
    this.#ack = seed % 2 === 0 ? 'archived' : 'flushed'
    this.archive.onCall = async () => {
      if (this.#random() < 0.3) await new Promise((resolve) => setImmediate(resolve))
      const dice = this.#random()
      return dice < 0.1 ? 'fail' : dice < 0.2 ? 'lose-response' : undefined
    }
    receiver.start(1)
    this.trial = this.#begin()
  }

  async step(): Promise<void> {
    const dice = this.#random()
    if (dice < 0.6) await this.#write()
    else if (dice < 0.7) await this.#restartArchiver()
    else if (dice < 0.8) this.#reconnect()
    else if (dice < 0.9) this.archive.down = !this.archive.down
    else if (receiver.timeline < 4) await this.#switchTimeline()
  }

  async finish(): Promise<void> {
    // The server sends again what it had sent before.
    if (this.#sent > receiver.written) await receiver.write(this.#sent)
    this.archive.down = false
    await this.trial.archiver.flush(AbortSignal.timeout(30_000))
    await this.trial.stop()
    expect(this.trial.broken).toEqual([])
  }

  #begin(): ArchiverTrial {
    return new ArchiverTrial(receiver, {
      archive: this.archive,
      ack: this.#ack,
      beginsAt: 1,
      keepLocal: this.#random() < 0.5 ? { segments: 2 } : null,
      uploads: 2,
    }).start()
  }

  async #write(): Promise<void> {
    const size =
      this.#random() < 0.5 ? 1 + Math.floor(this.#random() * 9000) : Math.floor(this.#random() * 1.5e6)
    const names = await receiver.write(lsnAdd(receiver.written, size))
    for (const name of names) if (this.#random() < 0.7) this.trial.archiver.nudge(name)
    if (this.#random() < 0.7) this.trial.archiver.nudge()
  }

  async #restartArchiver(): Promise<void> {
    await this.trial.stop()
    expect(this.trial.broken).toEqual([])
    this.trial = this.#begin()
  }

  /** The new stream begins where the directory says: at the start of the open segment. */
  #reconnect(): void {
    if (receiver.written > this.#sent) this.#sent = receiver.written
    receiver.start(Number(segmentNumber(receiver.written, SEGMENT_SIZE)))
  }

  async #switchTimeline(): Promise<void> {
    const left = { timeline: receiver.timeline, switchLsn: receiver.written }
    const segment = Number(segmentNumber(left.switchLsn, SEGMENT_SIZE))
    if (segmentOffset(left.switchLsn, SEGMENT_SIZE) === 0) return
    receiver.stop()
    this.#sent = INVALID_LSN
    this.trial.archiver.leaveTimeline(left)
    const timeline = left.timeline + 1
    const line = [...this.begins].map(([older]) => `${older}\t${this.#switchOf(older, left)}\treason\n`)
    await receiver.placeHistory(timeline, line.join(''))
    this.begins.set(timeline, segment)
    receiver.start(segment, timeline)
  }

  readonly #switches = new Map<number, string>()

  #switchOf(timeline: number, left: { timeline: number; switchLsn: bigint }): string {
    if (timeline === left.timeline) this.#switches.set(timeline, `0/${left.switchLsn.toString(16)}`)
    return this.#switches.get(timeline)!
  }
}

describe('an archiver that meets everything at once', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('loses nothing and never claims too much (%i)', async (seed) => {
    const story = new Story(seed)
    for (let step = 0; step < 60; step += 1) await story.step()
    await story.finish()
    const end = receiver.written
    expect(story.trial.archiver.archived).toBeGreaterThanOrEqual(end)
    const { archive, begins } = story
    const last = Number(segmentNumber(end, SEGMENT_SIZE))
    for (let segment = 1; segment < last; segment += 1) {
      const timeline = [...begins].filter(([, first]) => first <= segment).at(-1)![0]
      // A segment may be there as a full tail only: it counts as archived then.
      const whole = archive.segments.get(nameAt(segment, timeline))
      const bytes = whole ?? archive.joinedTail(timeline, BigInt(segment))
      expect(bytes.equals(walOf(segment, timeline))).toBe(true)
    }
    const size = Number(end - at(last))
    const tail = archive.joinedTail(receiver.timeline, BigInt(last))
    expect(tail.subarray(0, size).equals(walOf(last, receiver.timeline).subarray(0, size))).toBe(true)
  })
})
