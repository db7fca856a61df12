import { statfs } from 'node:fs/promises'
import { sleep, writeFileDurably } from '../base/index.js'
import { parseSegmentFileName, segmentFileName } from '../wal/index.js'
import { checkSegment } from './archived-segment.js'
import { type Asker, checkIdentity } from './identity-check.js'
import type { RestoreArchive } from './restore-archive.js'
import type { Spool } from './spool.js'

export interface PrefetchOptions extends Asker {
  readonly spool: Spool
  readonly archive: RestoreArchive
  /** How many segments to hold ready behind the one asked for last. */
  readonly count: number
  /** Ends after so long without a question, in milliseconds. Default 10 s. */
  readonly idleMs?: number
  /** How often to look what was asked for, in milliseconds. Default 25. */
  readonly pollMs?: number
}

/** Segments held at most, in bytes: with segments of 1 GB, eight of them would be a surprise in pg_wal. */
const MAX_SPOOL_BYTES = 1024 ** 3

/** Segments in memory at most, in bytes; each counts twice, compressed and not. */
const MAX_MEMORY_BYTES = 96 * 1024 ** 2

const MAX_PARALLEL = 4

/** Room that must be left on the spool's file system, in segments: recovery itself needs it more. */
const RESERVED_SEGMENTS = 4

/**
 * Keeps the next segments of the timeline that is being recovered ready in a spool.
 *
 * Only finished segments come in, each complete, verified and durable before it has its name. What lies
 * outside of the window is removed. Ends when there is nothing more to fetch, nothing was asked for a
 * while, or anything fails: the next question that is not answered from the spool starts another one, and
 * whoever asks without one gets the same answers, later.
 */
export class Prefetcher {
  readonly #options: PrefetchOptions
  readonly #segmentSize: number
  readonly #inFlight = new Map<string, Promise<void>>()
  #failure: { readonly error: unknown } | null = null
  /** The first segment that the archive does not have; the end of what can be fetched. */
  #missing: string | null = null

  /** @throws RestoreError when this is no archive, or that of another cluster */
  constructor(options: PrefetchOptions) {
    this.#segmentSize = checkIdentity(options.archive, options).segmentSize
    this.#options = options
  }

  /**
   * @param signal ends it
   * @throws what the store or the disk threw, after all that was under way has ended
   */
  async run(signal: AbortSignal): Promise<void> {
    const { spool, idleMs = 10_000, pollMs = 25 } = this.#options
    spool.removeUnfinished(process.pid)
    let asked: string | null = null
    let changedAt = Date.now()
    while (!signal.aborted && this.#failure === null) {
      const now = spool.lastAsked()
      if (now !== asked) {
        asked = now
        changedAt = Date.now()
        this.#missing = null
      }
      if (asked === null) break
      const window = this.#window(asked)
      // The one asked for stays too: the caller is about to take it.
      this.#removeOutside([asked, ...window])
      const exhausted = await this.#start(window, signal)
      if (this.#inFlight.size === 0 && (exhausted || Date.now() - changedAt > idleMs)) break
      await Promise.race([sleep(pollMs, signal), ...this.#inFlight.values()])
    }
    await Promise.all(this.#inFlight.values())
    if (this.#failure !== null && !signal.aborted) throw this.#failure.error
  }

  #window(asked: string): string[] {
    const segmentSize = this.#segmentSize
    const parsed = parseSegmentFileName(asked, segmentSize)
    if (parsed === null) return []
    const fits = Math.max(1, Math.floor(MAX_SPOOL_BYTES / segmentSize))
    const count = Math.min(this.#options.count, fits)
    return Array.from({ length: count }, (_, index) =>
      segmentFileName(parsed.timeline, parsed.segment + BigInt(index) + 1n, segmentSize),
    )
  }

  #removeOutside(kept: readonly string[]): void {
    const { spool } = this.#options
    for (const name of spool.segments()) if (!kept.includes(name)) spool.remove(name)
  }

  /** Starts as many downloads as may run at once. @returns true when no more can be started, now or later */
  async #start(window: readonly string[], signal: AbortSignal): Promise<boolean> {
    const parallel = Math.min(
      MAX_PARALLEL,
      Math.max(1, Math.floor(MAX_MEMORY_BYTES / (2 * this.#segmentSize))),
    )
    const ready = this.#options.spool.segments()
    let room = (await this.#roomInSegments()) - this.#inFlight.size
    for (const name of window) {
      if (this.#missing !== null && name >= this.#missing) return true
      if (ready.includes(name) || this.#inFlight.has(name)) continue
      if (this.#inFlight.size >= parallel) return false
      if (room-- <= 0) return true
      const download = this.#fetch(name, signal)
        .catch((error: unknown) => {
          this.#failure ??= { error }
        })
        .finally(() => this.#inFlight.delete(name))
      this.#inFlight.set(name, download)
    }
    return false
  }

  async #fetch(name: string, signal: AbortSignal): Promise<void> {
    const { spool, archive } = this.#options
    const temporaryName = spool.unfinishedName(name, process.pid)
    // Seen from here on: a caller that wants this segment waits for it instead of fetching it a second time.
    spool.markBeingFetched(temporaryName)
    try {
      const bytes = await archive.getSegment(name, { signal })
      if (bytes === null) {
        if (this.#missing === null || name < this.#missing) this.#missing = name
        return
      }
      checkSegment(name, bytes, archive)
      await writeFileDurably(spool.path(name), bytes, { mode: 0o600, temporaryName })
    } finally {
      spool.remove(temporaryName)
    }
  }

  async #roomInSegments(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#options.spool.directory, { bigint: true })
    return Number((bavail * bsize) / BigInt(this.#segmentSize)) - RESERVED_SEGMENTS
  }
}
