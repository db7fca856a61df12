import { setMaxListeners } from 'node:events'
import { type Backoff, sleep, type WalshipError } from '../base/index.js'
import type { Content } from '../codec/index.js'
import { type Lsn, lsnAdd, segmentStart } from '../wal/index.js'
import type { ArchiveTarget } from './archive-target.js'
import type { SegmentId } from './catalog.js'
import { asWalshipError, isRefused, LocalFileError, tailConflict } from './errors.js'
import type { ArchiveEvent } from './events.js'
import { nameOf } from './local-names.js'
import type { StoreHealth } from './store-health.js'
import { coveringParts, partsToMerge, type TailPart } from './tail-plan.js'
import { untilStored } from './until-stored.js'

export interface SegmentTailOptions {
  readonly archive: ArchiveTarget
  readonly id: SegmentId
  /** bytes */
  readonly segmentSize: number
  /** Parts on the way at once; with 1, new bytes wait for the next `advance`. */
  readonly partsInFlight: number
  readonly health: StoreHealth
  readonly backoff: Backoff
  readonly conflictRetryMs: number
  /** Bytes of the segment from the directory, into `target`. @throws LocalFileError when they are not there (any more) */
  read(target: Buffer, from: number): Promise<void>
  /** `covered` has moved. */
  onCovered(): void
  onEvent(event: ArchiveEvent): void
}

/** More than this is never held in memory for one part. */
const PART_SIZE_LIMIT = 16 * 1024 * 1024

interface SentPart extends TailPart {
  done: boolean
}

/**
 * The parts of one open segment.
 *
 * Promises: each byte is sent once (and once more per merge); `covered` passes a byte only when the
 * archive holds it and all before it in the segment; parts found in the archive count only after they
 * were compared with the bytes received here.
 */
export class SegmentTail {
  readonly id: SegmentId
  readonly #options: SegmentTailOptions
  readonly #name: string
  /** No further attempt is begun. */
  readonly #stopping = new AbortController()
  /** Attempts under way end. */
  readonly #breakingOff = new AbortController()
  readonly #tasks = new Set<Promise<void>>()
  /** Sorted by `from`; all that was sent or found, in the archive or on the way there. */
  #parts: SentPart[] = []
  /** Parts found at the beginning and not compared yet, in order. */
  #found: TailPart[] | null = null
  #target = 0
  #planned = 0
  #covered = 0
  #inFlight = 0
  #comparing = false
  #merging = false
  #conflict: WalshipError | null = null
  #conflictTold = false

  constructor(options: SegmentTailOptions) {
    this.id = options.id
    this.#options = options
    this.#name = nameOf(options.id, options.segmentSize)
    setMaxListeners(0, this.#stopping.signal, this.#breakingOff.signal)
    this.#start(() => this.#lookForParts())
  }

  /** Bytes from the segment's start on that the archive holds as parts. */
  get covered(): number {
    return this.#covered
  }

  get conflict(): WalshipError | null {
    return this.#conflict
  }

  /**
   * The directory holds the segment's bytes up to the offset `target`: what is new in them is sent. It may
   * be less than before, when the receiver has begun the file anew.
   */
  advance(target: number): void {
    this.#target = target
    this.#proceed()
  }

  /**
   * Sends nothing more and waits for what is under way, so that nothing appears in the archive afterwards.
   *
   * @param graceMs milliseconds until what is under way is broken off
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort()
    const over = new AbortController()
    const breakOff = sleep(graceMs, over.signal).then((elapsed) => elapsed && this.#breakingOff.abort())
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks)
    over.abort()
    await breakOff
  }

  #proceed(): void {
    if (this.#found === null || this.#conflict !== null || this.#stopping.signal.aborted) return
    this.#compareFound()
    // Nothing is sent behind bytes that may turn out not to be ours.
    if (this.#found.length > 0) return
    const { partsInFlight } = this.#options
    while (this.#inFlight < partsInFlight && this.#planned < this.#target) {
      const from = this.#planned
      const to = Math.min(this.#target, from + PART_SIZE_LIMIT)
      this.#planned = to
      this.#send({ ...this.id, from, to, generation: 0, done: false })
    }
    this.#merge()
  }

  async #lookForParts(): Promise<void> {
    const { archive } = this.#options
    const listed = await this.#untilStored((signal) =>
      archive.listTailParts(this.id.timeline, this.id.segment, { signal }),
    )
    this.#found = coveringParts(listed).map((part) => ({ ...part, generation: 0 }))
    this.#planned = Math.max(this.#planned, this.#found.at(-1)?.to ?? 0)
    this.#proceed()
  }

  /** What an earlier run, or another receiver, has left counts as soon as it is known to be the same. */
  #compareFound(): void {
    const next = this.#found?.[0]
    if (this.#comparing || next === undefined || next.to > this.#target) return
    this.#comparing = true
    this.#start(async () => {
      try {
        await this.#compare(next)
      } finally {
        this.#comparing = false
      }
      this.#proceed()
    })
  }

  async #compare(part: TailPart): Promise<void> {
    const { archive, read } = this.#options
    let found = true
    await this.#untilStored(async (signal) => {
      const here = Buffer.allocUnsafeSlow(part.to - part.from)
      await read(here, part.from)
      let there: Buffer
      try {
        there = await archive.readTailPart(part, { signal })
      } catch (error) {
        // Another receiver may have merged it away since: then the list is taken anew.
        const parts = await archive.listTailParts(part.timeline, part.segment, { signal })
        found = parts.some(({ from, to }) => from === part.from && to === part.to)
        if (found) throw error
        return
      }
      if (!there.equals(here)) throw tailConflict(this.#name, part.from, part.to)
    })
    if (!found) {
      this.#found = null
      this.#planned = this.#parts.filter(({ done }) => done).at(-1)?.to ?? 0
      await this.#lookForParts()
      return
    }
    this.#found!.shift()
    this.#add({ ...part, done: true })
    this.#cover()
  }

  #send(part: SentPart): void {
    this.#inFlight += 1
    this.#add(part)
    this.#start(async () => {
      try {
        await this.#put(part)
        part.done = true
        this.#options.onEvent({ kind: 'tail-archived', timeline: part.timeline, ...this.#lsns(part) })
        this.#cover()
      } catch (error) {
        this.#parts = this.#parts.filter((other) => other !== part)
        this.#planned = Math.min(this.#planned, part.from)
        throw error
      } finally {
        this.#inFlight -= 1
      }
      if (this.#options.partsInFlight > 1) this.#proceed()
      else this.#merge()
    })
  }

  async #put(part: TailPart): Promise<void> {
    const { archive, read } = this.#options
    // Read anew for each attempt, so that a long outage holds no memory.
    const content: Content = {
      length: part.to - part.from,
      read: (target, offset) => read(target, part.from + offset),
    }
    await this.#untilStored(async (signal) => {
      await archive.putTailPart(part, content, { signal })
    })
  }

  #merge(): void {
    const parts = this.#merging ? null : partsToMerge(this.#parts.filter(({ done }) => done))
    if (parts === null || this.#stopping.signal.aborted) return
    const merged: SentPart = {
      ...this.id,
      from: parts[0]!.from,
      to: parts.at(-1)!.to,
      generation: parts[0]!.generation + 1,
      done: true,
    }
    this.#merging = true
    this.#start(async () => {
      try {
        await this.#put(merged)
        this.#parts = this.#parts.filter((part) => !parts.includes(part))
        this.#add(merged)
        const { archive } = this.#options
        const smaller = parts.filter(({ from, to }) => from !== merged.from || to !== merged.to)
        await this.#untilStored((signal) => archive.deleteTailParts(smaller, { signal }))
        this.#options.onEvent({ kind: 'tail-merged', timeline: merged.timeline, ...this.#lsns(merged) })
      } finally {
        this.#merging = false
      }
      this.#merge()
    })
  }

  #add(part: SentPart): void {
    const at = this.#parts.findIndex(({ from }) => from > part.from)
    if (at === -1) this.#parts.push(part)
    else this.#parts.splice(at, 0, part)
  }

  /** Parts count in order: one behind a part that is still on its way has to wait. */
  #cover(): void {
    const before = this.#covered
    for (const { from, to, done } of this.#parts) {
      if (from > this.#covered) break
      if (done && to > this.#covered) this.#covered = to
    }
    if (this.#covered > before) this.#options.onCovered()
  }

  #untilStored<T>(attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { health, backoff } = this.#options
    return untilStored(() => attempt(this.#breakingOff.signal), {
      what: this.#name,
      health,
      backoff,
      signal: this.#stopping.signal,
    })
  }

  #start(task: () => Promise<void>): void {
    const running = task()
      .catch((error) => this.#failed(error))
      .finally(() => this.#tasks.delete(running))
    this.#tasks.add(running)
  }

  async #failed(error: unknown): Promise<void> {
    const { signal } = this.#stopping
    if (signal.aborted) return
    // The bytes are not there at the moment; they are asked for again when the receiver has them.
    if (error instanceof LocalFileError) return
    const failure = asWalshipError(error, this.#name)
    if (!isRefused(error)) {
      this.#options.onEvent({ kind: 'warning', error: failure })
      return
    }
    this.#conflict = failure
    if (!this.#conflictTold)
      this.#options.onEvent({ kind: 'segment-conflict', name: this.#name, error: failure })
    this.#conflictTold = true
    if (!(await sleep(this.#options.conflictRetryMs, signal))) return
    this.#conflict = null
    this.#found = null
    this.#start(() => this.#lookForParts())
  }

  #lsns(part: TailPart): { from: Lsn; to: Lsn } {
    const start = segmentStart(part.segment, this.#options.segmentSize)
    return { from: lsnAdd(start, part.from), to: lsnAdd(start, part.to) }
  }
}
