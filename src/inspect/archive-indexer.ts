import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { INDEX_FORMAT } from '../records/index.js'
import { parseSegmentFileName, segmentStart } from '../wal/index.js'
import type { IndexAnswer, IndexRequest } from './index-worker.js'

/** The built file, also when this one runs as it is in src, as in tests: a thread cannot load TypeScript. */
const WORKER_FILE = new URL('../../dist/inspect/index-worker.js', import.meta.url)

/** What the indexer needs of the archive. */
export interface IndexTarget {
  putIndex(
    name: string,
    format: number,
    content: Buffer,
    options: { readonly signal: AbortSignal },
  ): Promise<void>
}

export interface ArchiveIndexerOptions {
  /** Where the segments are. */
  readonly directory: string
  readonly segmentSize: number
  readonly archive: IndexTarget
  /** An index was not made or stored; told for a log, nothing is to be done. */
  onSkipped(segment: string, reason: string): void
}

/** Segments that may wait: each holds a file open, which keeps its space when it is removed. */
const WAITING_LIMIT = 4

/**
 * Makes indexes of segments that have just been archived, and puts them beside them.
 *
 * Promise: it never delays nor fails an upload. It begins when the segment is seen in the store, works on a thread of
 * its own, leaves a segment out when too many wait, and tries nothing twice: an index that is missing is made by
 * whoever looks for something.
 */
export class ArchiveIndexer {
  readonly #options: ArchiveIndexerOptions
  readonly #stop = new AbortController()
  readonly #puts = new Set<Promise<void>>()
  #worker: Worker | null = null
  /** Files of the segments that the thread has not answered for. */
  readonly #open = new Map<string, number>()

  constructor(options: ArchiveIndexerOptions) {
    this.#options = options
  }

  /**
   * A segment is in the archive. To be called before anything can remove its file, which is opened at once.
   *
   * @param segment file name, 24 digits
   */
  archived(segment: string): void {
    const { directory, segmentSize, onSkipped } = this.#options
    const parsed = parseSegmentFileName(segment, segmentSize)
    if (parsed === null || this.#stop.signal.aborted) return
    if (this.#open.has(segment) || this.#open.size + this.#puts.size >= WAITING_LIMIT) {
      onSkipped(segment, 'too many wait')
      return
    }
    try {
      const descriptor = openSync(join(directory, segment), 'r')
      this.#open.set(segment, descriptor)
      const start = segmentStart(parsed.segment, segmentSize)
      const request: IndexRequest = { segment, timeline: parsed.timeline, start, segmentSize, descriptor }
      this.#running().postMessage(request)
    } catch (error) {
      this.#close(segment)
      onSkipped(segment, error instanceof Error ? error.message : String(error))
    }
  }

  /** Ends it; what is not done is left out. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#worker?.terminate()
    await Promise.all(this.#puts)
  }

  /** Waits until nothing is under way. */
  async settled(): Promise<void> {
    while (this.#open.size > 0 || this.#puts.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  #running(): Worker {
    if (this.#worker !== null) return this.#worker
    const worker = new Worker(WORKER_FILE)
    // It must not keep the process alive, nor end it.
    worker.unref()
    worker.on('message', (answer: IndexAnswer) => this.#take(answer))
    worker.on('error', (error) => this.#options.onSkipped('', `the thread has failed: ${error.message}`))
    worker.on('exit', () => {
      this.#worker = null
      for (const segment of [...this.#open.keys()]) this.#close(segment)
    })
    this.#worker = worker
    return worker
  }

  #take({ segment, content }: IndexAnswer): void {
    this.#close(segment)
    const { archive, onSkipped } = this.#options
    if (content === null) {
      onSkipped(segment, 'it is damaged, or could not be read')
      return
    }
    const { signal } = this.#stop
    const put = archive
      .putIndex(segment, INDEX_FORMAT, Buffer.from(content), { signal })
      .catch((error: unknown) => {
        if (!signal.aborted) onSkipped(segment, error instanceof Error ? error.message : String(error))
      })
      .finally(() => this.#puts.delete(put))
    this.#puts.add(put)
  }

  #close(segment: string): void {
    const descriptor = this.#open.get(segment)
    if (descriptor !== undefined) closeSync(descriptor)
    this.#open.delete(segment)
  }
}
