import type { ArchiveEvent } from '../archive/index.js'
import type { WalshipError } from '../base/index.js'
import type { Progress, ReceiveEvent, Receiver } from '../receive/index.js'
import {
  buildSnapshot,
  type CoverageState,
  HISTORY_INTERVAL_MS,
  History,
  PositionMarks,
  type RecentEvent,
  type StatusFacts,
  type StatusSnapshot,
  type Thresholds,
} from '../status/index.js'
import { INVALID_LSN, type Lsn, lsnMax, lsnMin } from '../wal/index.js'
import { ArchiveRecord } from './archive-record.js'
import { CoverageWatch } from './coverage-watch.js'
import { DirectoryUsage } from './directory-usage.js'
import { named } from './log-events.js'
import type { Shipping } from './shipping.js'
import { SlotWatch, type SlotWatchOptions } from './slot-watch.js'
import { StreamRecord } from './stream-record.js'
import { walshipVersion } from './version.js'

export interface StatusBoardOptions {
  /** Null for the one cluster of a command line. */
  readonly cluster: string | null
  readonly directory: string
  readonly minFreeBytes: number
  readonly slotName: string | undefined
  readonly thresholds: Thresholds
  /** Something failed in here; nothing else may notice. */
  onError(error: unknown): void
}

/** Before, a slot that is about to be made would look like one that is missing. */
const LOOKS_AT_SLOT = new Set<ReceiveEvent['kind']>(['streaming-started', 'standing-by', 'error'])
/** How precise ages are: the server's position is looked at so often. */
const LOOK_MS = 200
const MAX_EVENTS = 100
/** On a busy server these would push everything else out of the list. */
const ROUTINE = new Set<string>([named('segment_finished'), named('segment_archived')])

/**
 * Gathers what the parts of a running walship tell, and hands it to `status` as one set of facts. It only
 * reads; nothing in receiving or archiving waits for it or fails with it.
 */
export class StatusBoard {
  readonly history = new History()
  readonly #options: StatusBoardOptions
  readonly #marks = new PositionMarks()
  readonly #usage: DirectoryUsage
  readonly #startedAt = new Date()
  readonly #version = walshipVersion()
  readonly #timers: NodeJS.Timeout[] = []
  readonly #events: RecentEvent[] = []
  readonly #record = new StreamRecord()
  readonly #archive = new ArchiveRecord()
  #slot: SlotWatch | null = null
  /** How far the run before was, until this one knows better. */
  #before: {
    readonly progress: Progress | null
    readonly archived: Lsn | null
    readonly coverage: CoverageState | null
  } = { progress: null, archived: null, coverage: null }
  #receiver: Receiver | null = null
  #shipping: Shipping | null = null
  #coverage: CoverageWatch | null = null
  #receivedBytes = 0
  #serverSeenAt: Date | null = null
  #received: Lsn | null = null
  #firstStart: Lsn | null = null
  /** The furthest: a server does not take back what it has removed. */
  #reported: Lsn = INVALID_LSN

  constructor(options: StatusBoardOptions) {
    this.#options = options
    this.#usage = new DirectoryUsage(options.directory)
    this.#every(LOOK_MS, () => this.#look())
    this.#every(HISTORY_INTERVAL_MS, () => this.history.add(this.snapshot()))
    this.#usage.start()
  }

  get cluster(): string | null {
    return this.#options.cluster
  }

  /**
   * Begins to look at these, and no longer at those of the run before. To be called before the receiver runs.
   *
   * @param slotWatch null: nobody looks at the slot
   */
  attach(
    receiver: Receiver,
    shipping: Shipping | null,
    slotWatch: Omit<SlotWatchOptions, 'slotName' | 'onServerPosition'> | null,
  ): void {
    const { slotName } = this.#options
    this.#before = { progress: this.#progress, archived: this.#archived, coverage: this.#coverageState }
    this.#coverage?.close()
    this.#receiver = receiver
    this.#shipping = shipping
    this.#archive.attach(shipping)
    this.#received = null
    this.#firstStart = null
    this.#coverage = shipping === null ? null : new CoverageWatch(shipping)
    this.#coverage?.start()
    if (slotWatch !== null && slotName !== undefined)
      this.#slot ??= new SlotWatch({
        ...slotWatch,
        slotName,
        onServerPosition: (lsn) => this.#heard(lsn),
      })
  }

  /** Given up, to be tried anew later. */
  onBreakdown(error: WalshipError): void {
    this.#slot?.start()
    this.#record.onBreakdown(error)
  }

  onReceiveEvent(event: ReceiveEvent): void {
    if (LOOKS_AT_SLOT.has(event.kind)) this.#slot?.start()
    this.#record.onEvent(event)
    if (event.kind === 'streaming-started') {
      this.#received = event.lsn
      this.#firstStart ??= event.lsn
    }
    if (event.kind === 'timeline-switched') {
      this.#marks.forgetBeyond(event.left.switchLsn)
      this.#reported = lsnMin(this.#reported, event.left.switchLsn)
    }
  }

  onArchiveEvent(event: ArchiveEvent): void {
    this.#archive.onEvent(event)
    this.#coverage?.onArchiveEvent(event)
  }

  /** @param record of the log, with its secrets already masked */
  onLogRecord(record: Readonly<Record<string, unknown>>): void {
    if (record.level === 'debug' || record.level === 'trace') return
    if (ROUTINE.has(String(record.event))) return
    this.#events.push({
      at: String(record.time),
      level: String(record.level),
      event: String(record.event),
      text: String(record.msg),
    })
    if (this.#events.length > MAX_EVENTS) this.#events.shift()
  }

  snapshot(): StatusSnapshot {
    this.#look()
    return buildSnapshot(this.#facts(), this.#options.thresholds)
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#usage.close()
    this.#coverage?.close()
    await this.#slot?.close()
  }

  /**
   * While nothing was seen to be archived, the start of the first stream: what came since is surely not. A store
   * that was never reached would else show no lag.
   */
  get #archived(): Lsn | null {
    if (this.#shipping === null) return null
    return known(this.#shipping.archiverSnapshot?.archived) ?? this.#before.archived ?? this.#firstStart
  }

  /** What is in the directory does not go with a run that failed. */
  get #progress(): Progress | null {
    const now = this.#receiver?.progress
    return now !== undefined && now.timeline !== 0 ? now : this.#before.progress
  }

  get #coverageState(): CoverageState | null {
    return this.#coverage?.state ?? this.#before.coverage
  }

  get #streams(): boolean {
    return this.#record.state === 'streaming' && this.#receiver?.streaming === true
  }

  #every(intervalMs: number, job: () => void): void {
    const guarded = () => {
      try {
        job()
      } catch (error) {
        this.#options.onError(error)
      }
    }
    // Never what keeps the program alive.
    this.#timers.push(setInterval(guarded, intervalMs).unref())
  }

  #heard(lsn: Lsn): void {
    this.#serverSeenAt = new Date()
    this.#marks.observe(lsn, performance.now())
  }

  #look(): void {
    const progress = this.#receiver?.progress
    if (progress === undefined) return
    const { received, written, serverEnd } = progress
    // Between two streams these are the last ones of the old stream.
    if (this.#streams) {
      if (serverEnd !== INVALID_LSN) this.#heard(serverEnd)
      if (this.#received !== null && received > this.#received)
        this.#receivedBytes += Number(received - this.#received)
      this.#received = received
      this.#reported = lsnMax(this.#reported, progress.reported)
    }
    this.#forget([
      written,
      progress.flushed,
      progress.verified,
      progress.reported,
      this.#archived ?? undefined,
    ])
    this.#archive.look()
  }

  /** Ages below the slowest position are not asked for any more. */
  #forget(positions: readonly (Lsn | undefined)[]): void {
    const told = positions.filter((lsn) => lsn !== undefined && lsn !== INVALID_LSN) as Lsn[]
    if (told.length > 0) this.#marks.forgetBefore(told.reduce(lsnMin))
  }

  #facts(): StatusFacts {
    const { cluster, slotName, minFreeBytes } = this.#options
    const progress = this.#progress
    const { user, system } = process.cpuUsage()
    const { state, since, standby, lastError } = this.#record
    return {
      source: 'running',
      cluster,
      now: new Date(),
      nowMs: performance.now(),
      marks: this.#marks,
      process: {
        version: this.#version,
        pid: process.pid,
        startedAt: this.#startedAt.toISOString(),
        residentBytes: process.memoryUsage.rss(),
        cpuSeconds: (user + system) / 1e6,
      },
      stream: {
        state: state === 'streaming' && !this.#streams ? 'connecting' : state,
        since,
        standby,
        timeline: progress?.timeline || null,
        serverSeenAt: this.#serverSeenAt,
        systemIdentifier: this.#receiver?.systemIdentifier ?? null,
        lastError,
      },
      positions: {
        received: known(progress?.received),
        written: known(progress?.written),
        flushed: known(progress?.flushed),
        verified: known(progress?.verified),
        archived: this.#archived,
        reported: known(this.#reported),
      },
      archive: this.#archive.state,
      slot: this.#slot?.facts ?? {
        name: slotName ?? null,
        unknown: slotName === undefined ? 'no slot is used' : 'nobody looks at it (--slot-check 0)',
        checkedAt: null,
        active: null,
        walStatus: null,
        safeWalBytes: null,
        retainedBytes: null,
      },
      directory: { ...this.#usage.facts, minFreeBytes },
      counters: {
        ...this.#record.counts,
        ...this.#archive.counts,
        receivedBytes: this.#receivedBytes,
      },
      coverage: this.#coverageState,
      events: [...this.#events],
    }
  }
}

function known(lsn: Lsn | undefined): Lsn | null {
  return lsn === undefined || lsn === INVALID_LSN ? null : lsn
}
