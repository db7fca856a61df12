import { type FileSystem, sleep, type WalshipError } from '../base/index.js'
import type { CompressionSpec } from '../codec/index.js'
import { type ConnectOptions, PhysicalReplicationConnection } from '../pg/index.js'
import { INVALID_LSN, type Lsn, lsnMin } from '../wal/index.js'
import { type AckPolicy, chooseAckPolicy } from './ack-policy.js'
import type { ArchiveDoor } from './archive-door.js'
import { ensureReplicationSlot } from './ensure-slot.js'
import { asWalshipError, isFinal } from './errors.js'
import type { Progress, ReceiveEvent, StopCause } from './events.js'
import { keepHistory } from './history.js'
import { askServer, checkIdentity, type ServerFacts } from './server-facts.js'
import { Standby, type StandbyOptions } from './standby.js'
import { findStartPoint } from './start-point.js'
import type { StartPoint } from './stream-position.js'
import { type ActiveStream, streamTimeline } from './stream-timeline.js'
import { type VerifyMode, WalCheck } from './wal-check.js'
import type { SpaceLimits } from './watch-space.js'

export interface RetryPolicy {
  /** Also try again when the very first connection fails. */
  readonly initial: boolean
  /** Also after errors that do not heal by themselves (a slot that is missing, WAL that is gone). */
  readonly everything: boolean
  /**
   * @param attempt 1 for the first wait after a stream that worked
   * @returns milliseconds to wait
   */
  delayMs(attempt: number, error: WalshipError): number
}

export interface ReceiverOptions {
  readonly connection: ConnectOptions
  /** Where the files go; must exist. */
  readonly directory: string
  readonly slotName?: string
  /** Make everything durable as it arrives, and tell the server at once. */
  readonly synchronous: boolean
  /** False: no fsync at all. */
  readonly durable: boolean
  /** Milliseconds; 0 sends no status on our own account. */
  readonly statusIntervalMs: number
  /** Milliseconds of silence before the server is asked for a sign of life. Default: see StartPhysicalOptions. */
  readonly pingTimeoutMs?: number
  /** Stop once more than this was received. */
  readonly endLsn?: Lsn
  readonly compression: CompressionSpec
  /** What the server is told. Default: as pg_receivewal, by slot and `synchronous`. */
  readonly ackPolicy?: AckPolicy
  /** Where the files go on to. */
  readonly archive?: ArchiveDoor
  /** Make the slot, with WAL reserved, when it is missing. */
  readonly ensureSlot?: boolean
  /**
   * What to do when WAL is kept here that the server's history leaves out, as after a failover to a standby that had
   * not received all: end with both positions, or follow the server. By default the server has the last word.
   */
  readonly leftBranch?: 'refuse' | 'follow'
  /** Stop taking WAL while the directory has less free space. */
  readonly space?: SpaceLimits
  /** Check all WAL before it is written; by default nothing is checked. */
  readonly verify?: VerifyMode
  /** Null: the first failure ends the run. */
  readonly retry: RetryPolicy | null
  /** Wait as a standby while another receiver streams from the slot; by default that is a failure like others. */
  readonly standby?: StandbyOptions
  /** Servers of a newer major are warned about. */
  readonly newestServerMajor: number
  /** @internal What writes the files and asks for their durability. Replaced in tests. */
  readonly files?: FileSystem
  onEvent(event: ReceiveEvent): void
  /** More has been written. Called often. */
  onWritten?(): void
}

/** The open segment at one moment. */
export interface OpenSegmentView {
  readonly timeline: number
  /** File name in the directory; it may be renamed at any moment. */
  readonly name: string
  readonly segmentStart: Lsn
  readonly written: Lsn
  /** Differs from stream to stream; a new one begins the file anew. */
  readonly writer: number
  /** Where it began. */
  readonly streamStart: Lsn
}

/**
 * Keeps a directory in step with a server: connect, find out where to go on, stream, follow
 * timelines; after a failure start over from what is on disk.
 *
 * Promises: no gap and no overlap in the files; what is acknowledged to the server is on disk;
 * WAL of another cluster is never mixed in.
 */
export class Receiver {
  readonly #options: ReceiverOptions
  readonly #walCheck: WalCheck | undefined
  readonly #standby: Standby | undefined
  #active: ActiveStream | null = null
  #last: Progress = {
    timeline: 0,
    received: INVALID_LSN,
    written: INVALID_LSN,
    flushed: INVALID_LSN,
    verified: INVALID_LSN,
    reported: INVALID_LSN,
    serverEnd: INVALID_LSN,
  }
  #systemId: string | null = null
  #walWasRemoved = false
  #streamCount = 0
  #connectedOnce = false
  #streamedThisTime = false
  #password: string | undefined
  readonly #warned = new Set<string>()

  constructor(options: ReceiverOptions) {
    this.#options = options
    const { verify, directory, slotName, standby, onEvent } = options
    this.#walCheck = verify && new WalCheck({ mode: verify, directory, onEvent })
    this.#standby = standby && slotName ? new Standby(standby, slotName, onEvent) : undefined
  }

  /** How far it is now. */
  get progress(): Progress {
    const active = this.#active
    if (active === null) return this.#last
    const { connection, pump, writer, check } = active
    return {
      timeline: active.start.timeline,
      received: pump.received,
      written: writer.written,
      flushed: writer.flushed,
      // What is not written yet, or at --verify=stop never will be, is of no use to anybody.
      verified: check === undefined ? INVALID_LSN : lsnMin(check.verified, writer.written),
      reported: connection.feedbackPositions?.flush ?? INVALID_LSN,
      serverEnd: connection.serverEndLsn ?? INVALID_LSN,
    }
  }

  /** True between the start of a stream and its end. */
  get streaming(): boolean {
    return this.#active !== null
  }

  /** Of the cluster; null before the first connection. */
  get systemIdentifier(): string | null {
    return this.#systemId
  }

  /** The segment being written, for who reads along: null between streams. */
  get openSegment(): OpenSegmentView | null {
    const file = this.#active?.writer.openFile
    if (this.#active == null || file == null) return null
    const { start, writer } = this.#active
    return {
      timeline: start.timeline,
      written: writer.written,
      writer: this.#streamCount,
      streamStart: start.lsn,
      ...file,
    }
  }

  /** Tells the server at once what the ack policy says now: what it looks at has moved on. */
  report(): void {
    this.#active?.report()
  }

  /**
   * Runs until the end position is passed, the signal aborts (a clean stop), or it gives up.
   *
   * @throws WalshipError when it gives up: see ReceiverOptions.retry
   */
  async run(signal: AbortSignal): Promise<{ reason: 'endpos' | 'aborted' }> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const cause = await this.#attempt(signal)
        return { reason: cause === 'endpos' ? 'endpos' : 'aborted' }
      } catch (thrown) {
        if (signal.aborted && !this.#streamedThisTime) return { reason: 'aborted' }
        const error = asWalshipError(thrown)
        if (error.code === 'PG_WAL_REMOVED' && this.#lookAgain()) continue
        // Whatever the retry policy: only a second look tells whether the server holds it so.
        if (error.code === 'RECEIVE_WAL_SUSPECT') {
          // Nothing of it was written or acknowledged.
          if (signal.aborted) return { reason: 'aborted' }
          continue
        }
        if (signal.aborted || !this.#mayRetry(error)) throw error
        if (this.#standby !== undefined && error.code === 'PG_SLOT_ACTIVE') {
          if (!(await this.#standby.wait(error, signal))) return { reason: 'aborted' }
          attempt = 0
          continue
        }
        this.#standby?.over()
        if (this.#streamedThisTime) attempt = 1
        this.#options.onEvent({ kind: 'error', error })
        const delayMs = this.#options.retry!.delayMs(attempt, error)
        this.#options.onEvent({ kind: 'retrying', delayMs, attempt, error })
        if (!(await sleep(delayMs, signal))) return { reason: 'aborted' }
      }
    }
  }

  /**
   * WAL from the archive's end on is gone. One more look finds out what is missing, and either records
   * it or says it exactly.
   */
  #lookAgain(): boolean {
    if (this.#options.archive === undefined || this.#walWasRemoved) return false
    this.#walWasRemoved = true
    return true
  }

  /** Warnings about the options would otherwise come again with every reconnect. */
  #warnOnce(text: string): void {
    if (this.#warned.has(text)) return
    this.#warned.add(text)
    this.#options.connection.onWarning?.(text)
  }

  #mayRetry(error: WalshipError): boolean {
    const { retry } = this.#options
    if (retry === null || isFinal(error)) return false
    if (!this.#connectedOnce && !retry.initial) return false
    return error.retryable || retry.everything
  }

  async #attempt(signal: AbortSignal): Promise<StopCause> {
    const { connection: connectOptions, newestServerMajor, onEvent, directory } = this.#options
    this.#streamedThisTime = false
    const connection = await PhysicalReplicationConnection.connect({
      ...connectOptions,
      ...(this.#password === undefined ? {} : { password: this.#password }),
      onWarning: (text) => this.#warnOnce(text),
      signal,
    })
    try {
      this.#connectedOnce = true
      this.#password = connection.passwordUsed
      const warn = (error: WalshipError) => {
        if (this.#warned.has(error.message)) return
        this.#warned.add(error.message)
        onEvent({ kind: 'warning', error })
      }
      const facts = await askServer(connection, newestServerMajor, warn, signal)
      await checkIdentity(directory, facts, this.#systemId)
      this.#systemId = facts.systemId
      const { slotName, archive, ensureSlot } = this.#options
      await archive?.identify(facts.systemId, facts.segmentSize, signal)
      if (ensureSlot && slotName) await ensureReplicationSlot(connection, slotName, signal, onEvent)
      await this.#standby?.ask(connection, signal)
      const found = await findStartPoint(connection, facts, {
        directory,
        slotName,
        archive,
        walWasRemoved: this.#walWasRemoved,
        leftBranch: this.#options.leftBranch,
        signal,
        onEvent,
      })
      const start = this.#walCheck?.startFor(found, facts.segmentSize) ?? found
      return await this.#follow(connection, facts, start, signal)
    } finally {
      await connection.close()
    }
  }

  /** Streams timeline after timeline on one connection. */
  async #follow(
    connection: PhysicalReplicationConnection,
    facts: ServerFacts,
    first: StartPoint,
    signal: AbortSignal,
  ): Promise<StopCause> {
    const { onEvent, ...options } = this.#options
    for (let start = first; ; ) {
      const announce = () => {
        this.#standby?.over()
        onEvent({ kind: 'streaming-started', ...start })
      }
      if (this.#standby === undefined) announce()
      await keepHistory(connection, start.timeline, { ...options, fileMode: facts.fileMode, signal, onEvent })
      const stop: StopCause | null = this.#endsBefore(start.lsn)
        ? 'endpos'
        : signal.aborted
          ? 'interrupt'
          : null
      if (stop !== null) {
        onEvent({ kind: 'stopped', cause: stop, lsn: start.lsn, timeline: start.timeline })
        return stop
      }
      const outcome = await streamTimeline(connection, facts, start, {
        directory: options.directory,
        slotName: options.slotName,
        synchronous: options.synchronous,
        durable: options.durable,
        statusIntervalMs: options.statusIntervalMs,
        pingTimeoutMs: options.pingTimeoutMs,
        endLsn: options.endLsn,
        compression: options.compression,
        ackPolicy: options.ackPolicy ?? chooseAckPolicy(options),
        reportsFlush: options.ackPolicy !== undefined || options.synchronous || Boolean(options.slotName),
        archive: options.archive,
        space: options.space,
        files: options.files,
        walCheck: this.#walCheck,
        signal,
        onEvent,
        onWritten: options.onWritten,
        onActive: (active) => this.#setActive(active),
        onStarted: this.#standby === undefined ? undefined : announce,
      })
      if (outcome.kind === 'stopped') return outcome.cause
      start = outcome.start
    }
  }

  /** True when everything up to the end position is there already. */
  #endsBefore(lsn: Lsn): boolean {
    const { endLsn } = this.#options
    return endLsn !== undefined && lsn > endLsn
  }

  #setActive(active: ActiveStream | null): void {
    this.#last = this.progress
    if (this.#active !== null && this.#active.pump.received > this.#active.start.lsn)
      this.#streamedThisTime = true
    this.#active = active
    if (active !== null) this.#streamCount += 1
  }
}
