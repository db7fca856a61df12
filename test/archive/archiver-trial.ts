import { type ArchiveEvent, Archiver, type ArchiverOptions } from '../../src/archive/index.js'
import { type Lsn, segmentNumber, segmentOffset } from '../../src/wal/index.js'
import { type FakeReceiver, nameAt, SEGMENT_SIZE, walOf } from './fake-receiver.js'
import { MemoryArchive } from './memory-archive.js'

type Kind = ArchiveEvent['kind']

/** An archiver at work between a fake receiver and an archive in memory, watched for claims it cannot prove. */
export class ArchiverTrial {
  readonly archive: MemoryArchive
  readonly receiver: FakeReceiver
  readonly archiver: Archiver
  readonly events: ArchiveEvent[] = []
  readonly claims: { lsn: Lsn; timeline: number }[] = []
  readonly broken: string[] = []
  /** Segment from which on a claim is recomputed. */
  beginsAt: number | undefined
  readonly #stopping = new AbortController()
  readonly #waiters = new Set<() => void>()
  #run: Promise<void> | null = null

  constructor(
    receiver: FakeReceiver,
    options: Partial<ArchiverOptions> & { beginsAt?: number; archive?: MemoryArchive } = {},
  ) {
    const { beginsAt, archive = new MemoryArchive(), ...rest } = options
    this.receiver = receiver
    this.beginsAt = beginsAt
    this.archive = archive
    this.archiver = new Archiver({
      directory: receiver.directory,
      archive,
      segmentSize: SEGMENT_SIZE,
      tailIntervalMs: 5,
      ack: 'flushed',
      keepLocal: null,
      live: () => receiver.live(),
      onArchived: (lsn, timeline) => {
        this.claims.push({ lsn, timeline })
        if (this.beginsAt !== undefined) this.#check(this.beginsAt, lsn, timeline)
        this.#tell()
      },
      onEvent: (event) => {
        this.events.push(event)
        this.#tell()
      },
      backoff: { initialMs: 1, maxMs: 5 },
      lookIntervalMs: 20,
      conflictRetryMs: 20,
      ...rest,
    })
  }

  start(): this {
    this.#run = this.archiver.run(this.#stopping.signal)
    this.#run.catch(() => {})
    return this
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#run
  }

  /** Resolves as soon as the condition holds; looked at after each event and claim. */
  async until(condition: () => boolean, what = 'condition'): Promise<void> {
    for (const deadline = Date.now() + 20_000; !condition(); ) {
      if (Date.now() > deadline)
        throw new Error(
          `${what} did not come: ${this.events.map(({ kind }) => kind).join(' ')} ${this.archiver.archived}`,
        )
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 25)
        const wake = () => {
          clearTimeout(timer)
          this.#waiters.delete(wake)
          resolve()
        }
        this.#waiters.add(wake)
      })
    }
  }

  untilArchived(lsn: Lsn): Promise<void> {
    return this.until(() => this.archiver.archived >= lsn, `archived ${lsn}`)
  }

  eventsOf<K extends Kind>(kind: K): Extract<ArchiveEvent, { kind: K }>[] {
    return this.events.filter((event): event is Extract<ArchiveEvent, { kind: K }> => event.kind === kind)
  }

  #tell(): void {
    for (const wake of [...this.#waiters]) wake()
  }

  /** Recomputes a claim from what the archive holds. */
  #check(beginsAt: number, lsn: Lsn, timeline: number): void {
    const last = Number(segmentNumber(lsn, SEGMENT_SIZE))
    for (let segment = beginsAt; segment <= last; segment += 1) {
      const needed = segment === last ? segmentOffset(lsn, SEGMENT_SIZE) : SEGMENT_SIZE
      if (!this.#holds(segment, needed, timeline))
        this.broken.push(`claimed ${lsn} without ${needed} bytes of ${segment}`)
    }
  }

  #holds(segment: number, needed: number, newest: number): boolean {
    if (needed === 0) return true
    for (let timeline = newest; timeline > 0; timeline -= 1) {
      const whole = this.archive.segments.get(nameAt(segment, timeline))
      const bytes = whole ?? this.archive.joinedTail(timeline, BigInt(segment))
      if (bytes.length < needed) continue
      if (bytes.subarray(0, needed).equals(walOf(segment, timeline).subarray(0, needed))) return true
    }
    return false
  }
}
