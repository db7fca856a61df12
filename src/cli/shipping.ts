import type { Logger } from 'pino'
import { type ArchiveEvent, Archiver, type ArchiverSnapshot } from '../archive/index.js'
import { backoffDelayMs, sleep, WalshipError } from '../base/index.js'
import { ArchiveIndexer } from '../inspect/index.js'
import {
  type AckPolicy,
  type ArchiveDoor,
  type ArchivedMark,
  ackArchived,
  checkBehindArchive,
  type Gap,
  type ReceiveEvent,
  type Receiver,
} from '../receive/index.js'
import {
  type ArchiveIdentity,
  type ObjectStore,
  openStore,
  parseStoreOptions,
  WalArchive,
} from '../store/index.js'
import { formatLsn, type Lsn, segmentFloor } from '../wal/index.js'
import { logArchiveEvent } from './archive-log-events.js'
import { DamageNotes } from './damage-notes.js'
import { storeCompression } from './fetch-store.js'
import { named } from './log-events.js'
import type { ProgramHost } from './program-host.js'
import { redactSecrets } from './redact.js'
import type { ShippingSettings } from './shipping-options.js'

export interface ShippingOptions {
  readonly settings: ShippingSettings
  readonly directory: string
  readonly host: ProgramHost
  readonly log: Logger
  onArchiveEvent?(event: ArchiveEvent): void
  /** Ends the program: nothing that is done further can be right. */
  onFatal(error: WalshipError): void
}

/** A server that shuts down waits for the answer, so this must not take long. */
const ANSWER_LIMIT_MS = 10_000
/** As damage that comes from the server is treated; `off` looks at nothing. */
const NOT_WAL = { warn: 'mark', stop: 'refuse', off: undefined } as const
const OPEN_BACKOFF = { initialMs: 1000, maxMs: 30_000 }

/**
 * Joins a receiver and an archiver, which know nothing of each other: the receiver asks through the door
 * where the archive ends; what it has finished and written is passed on, and what the archive holds goes
 * back to the server as the ack policy says.
 *
 * A store that does not answer holds up the start only where nothing else says where to go on.
 */
export class Shipping implements ArchiveDoor {
  readonly #options: ShippingOptions
  readonly #stop = new AbortController()
  #receiver: Receiver | null = null
  #store: ObjectStore | null = null
  #archive: WalArchive | null = null
  #archiver: Archiver | null = null
  #indexer: ArchiveIndexer | null = null
  #running: Promise<void> | null = null
  #opening: Promise<void> | null = null
  #archived: ArchivedMark | null = null
  #warnedOfStore = false
  /** Segments that the server itself holds damaged: noted with their objects. */
  readonly #damaged: DamageNotes
  #openError: WalshipError | null = null
  readonly #recordedGaps: Gap[] = []
  readonly recordGap: ArchiveDoor['recordGap']

  constructor(options: ShippingOptions) {
    this.#options = options
    this.#damaged = new DamageNotes(options.directory)
    this.recordGap = options.settings.allowGap ? (gap, signal) => this.#recordGap(gap, signal) : null
  }

  /** Where the archiver looks for the open segment. To be called before the receiver runs. */
  attach(receiver: Receiver): void {
    this.#receiver = receiver
  }

  /** Null until the store has answered for the first time. */
  get archive(): WalArchive | null {
    return this.#archive
  }

  get segmentSize(): number | null {
    return this.#archive?.identity?.segmentSize ?? null
  }

  /** Without secrets. */
  get storeName(): string {
    return this.#store?.name ?? redactSecrets(this.#options.settings.store!)
  }

  get archiverSnapshot(): ArchiverSnapshot | null {
    return this.#archiver?.snapshot ?? null
  }

  /** Why the store could not be opened; null once it is. */
  get openError(): WalshipError | null {
    return this.#openError
  }

  /** Gaps that were accepted by this run. */
  get recordedGaps(): readonly Gap[] {
    return this.#recordedGaps
  }

  /** What the server hears with `--ack archived`; undefined: as the receiver does by itself. */
  get ackPolicy(): AckPolicy | undefined {
    if (this.#options.settings.ack !== 'archived') return undefined
    return ackArchived(() => this.#archived)
  }

  async identify(systemIdentifier: string, segmentSize: number, signal: AbortSignal): Promise<void> {
    if (this.#archive !== null || this.#opening !== null) return
    const identity: ArchiveIdentity = { systemIdentifier, segmentSize, layoutVersion: 1 }
    try {
      await this.#open(identity, signal, false)
    } catch (error) {
      if (!isStoreTrouble(error)) throw error
      this.#openError = error
      this.#options.log.error(
        { event: named('store_failing'), code: error.code, hint: error.hint },
        error.message,
      )
      this.#opening = this.#openLater(identity).finally(() => {
        this.#opening = null
      })
    }
  }

  async findEnd(signal: AbortSignal): Promise<{ timeline: number; lsn: Lsn } | null> {
    if (this.#archive !== null) return this.#archive.findEnd({ signal })
    throw new WalshipError('the end of the archive is not known yet: the store has not answered', {
      code: 'ARCHIVE_END_UNKNOWN',
      retryable: true,
      hint: 'it is tried again; the gap check follows with the next connection',
    })
  }

  async flush(): Promise<void> {
    // Not AbortSignal.timeout: one that only AbortSignal.any knows of is garbage collected, and never aborts.
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(), ANSWER_LIMIT_MS)
    try {
      await this.#archiver?.flush(AbortSignal.any([this.#stop.signal, limit.signal]))
    } finally {
      clearTimeout(timer)
    }
  }

  onReceiveEvent(event: ReceiveEvent): void {
    if (event.kind === 'segment-finished') this.#archiver?.nudge(event.name)
    else if (event.kind === 'timeline-switched') this.#archiver?.leaveTimeline(event.left)
    else if (event.kind === 'wal-damaged')
      for (const name of event.segments)
        this.#damaged.add(name, `${event.problem.kind} ${formatLsn(event.problem.lsn)}`)
  }

  onWritten(): void {
    if (this.#options.settings.ack === 'archived') this.#archiver?.nudge()
  }

  /** Waits until everything received is archived, or the signal aborts. */
  async finish(signal: AbortSignal): Promise<void> {
    await this.#archiver?.flush(signal)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#opening
    await this.#running?.catch(() => {})
    await this.#indexer?.close()
    await this.#store?.close()
  }

  /** @param late the receiver has started without: what it could not check then is checked now */
  async #open(identity: ArchiveIdentity, signal: AbortSignal, late: boolean): Promise<void> {
    const { settings, host, directory, log } = this.#options
    const compression = storeCompression(settings.values)
    // A word of the SDK about its plans for old versions of Node.js is nothing for an archiver's log.
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
    this.#store ??= await openStore(settings.store!, parseStoreOptions(settings.values, host.environment))
    const archive = await WalArchive.open(this.#store, { compression, identity, signal })
    this.#archive = archive
    if (late) await checkBehindArchive(this, directory, identity.segmentSize, signal)
    const { segmentSize } = identity
    this.#indexer = new ArchiveIndexer({
      segmentSize,
      archive,
      onSkipped: (name, reason) =>
        log.debug(
          { event: named('index_skipped'), name, reason },
          `no index of ${name} was stored: ${reason}`,
        ),
    })
    this.#openError = null
    this.#archiver = new Archiver({
      directory,
      archive,
      segmentSize,
      uploads: settings.uploads,
      tailIntervalMs: settings.tailIntervalMs,
      ack: settings.ack,
      keepLocal: settings.keepLocal,
      live: () => this.#live(),
      notWal: NOT_WAL[settings.verify],
      marksOf: (name) => {
        const damage = this.#damaged.of(name)
        return damage === undefined ? undefined : { 'wal-check': damage }
      },
      readingOf: (name) => this.#indexer?.readingOf(name),
      onArchived: (lsn, timeline) => {
        this.#archived = { timeline, lsn }
        if (settings.ack === 'archived') this.#receiver?.report()
      },
      onEvent: (event) => {
        logArchiveEvent(log, event)
        this.#options.onArchiveEvent?.(event)
        if (event.kind !== 'segment-archived') return
        this.#damaged.remove(event.name)
        this.#warnOfWeakStore()
      },
    })
    this.#running = this.#archiver
      .run(this.#stop.signal)
      .catch((error) => this.#options.onFatal(asFatal(error)))
  }

  async #openLater(identity: ArchiveIdentity): Promise<void> {
    const { signal } = this.#stop
    for (let attempt = 1; await sleep(backoffDelayMs(OPEN_BACKOFF, attempt), signal); attempt += 1) {
      try {
        await this.#open(identity, signal, true)
        this.#options.log.info({ event: named('store_recovered'), failures: attempt }, 'the store answers')
        return
      } catch (error) {
        if (signal.aborted) return
        if (!isStoreTrouble(error)) return this.#options.onFatal(asFatal(error))
        this.#openError = error
      }
    }
  }

  /** Known only after the first put. */
  #warnOfWeakStore(): void {
    if (this.#warnedOfStore || this.#store === null || this.#store.features.createOnly) return
    this.#warnedOfStore = true
    this.#options.log.warn(
      { event: named('warning'), code: 'STORE_NOT_CREATE_ONLY' },
      `${this.#store.name} has no conditional writes: two receivers that write the same name at the same moment are not kept apart`,
    )
  }

  #live(): ReturnType<ConstructorParameters<typeof Archiver>[0]['live']> {
    const open = this.#receiver?.openSegment ?? null
    if (open === null) return null
    const { name, ...rest } = open
    return { ...rest, partialName: name }
  }

  async #recordGap(gap: Gap, signal: AbortSignal): Promise<void> {
    const archive = this.#archive!
    await archive.recordGap(gap, { signal })
    this.#recordedGaps.push(gap)
    const to = segmentFloor(gap.to, archive.identity!.segmentSize)
    this.#archiver?.startAfterGap({ timeline: gap.timeline, lsn: to })
    this.#options.log.warn(
      { event: named('gap_recorded'), ...gapFields(gap) },
      `recorded a gap in the archive: ${gap.reason}`,
    )
  }
}

function gapFields(gap: Gap): Record<string, unknown> {
  return { timeline: gap.timeline, from: String(gap.from), to: String(gap.to) }
}

/** Trouble of the store itself, which can pass; what the archive is found to be does not change. */
function isStoreTrouble(error: unknown): error is WalshipError {
  return error instanceof WalshipError && error.code.startsWith('STORE_') && error.code !== 'STORE_OPTION'
}

function asFatal(error: unknown): WalshipError {
  if (error instanceof WalshipError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new WalshipError(`archiving ended: ${message}`, { code: 'ARCHIVE_UNEXPECTED', cause: error })
}
