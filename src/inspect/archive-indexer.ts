import type { ContentReading } from '../codec/index.js'
import { INDEX_FORMAT } from '../records/index.js'
import { parseSegmentFileName } from '../wal/index.js'
import type { IndexSettings } from './index-reader.js'

/** The built file, also when this one runs as it is in src, as in tests: a thread cannot load TypeScript. */
const READER_MODULE = new URL('../../dist/inspect/index-reader.js', import.meta.url).href

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
  readonly segmentSize: number
  readonly archive: IndexTarget
  /** An index was not made or stored; told for a log, nothing is to be done. */
  onSkipped(segment: string, reason: string): void
}

/** Indexes that may be under way into the store at once. */
const PUTS_LIMIT = 4

/**
 * Makes indexes of segments while they are packed for the archive, and puts them beside them.
 *
 * Made there because the segment's bytes and its SHA-256 are at hand: on a thread of its own, from the file, it takes
 * that much more CPU, and 50 MB more memory.
 *
 * Promise: it never fails an upload. What is stored is stored after the segment was seen in the store; it leaves an index
 * out when too many are under way, and tries nothing twice: an index that is missing is made by whoever looks
 * for something.
 */
export class ArchiveIndexer {
  readonly #options: ArchiveIndexerOptions
  readonly #stop = new AbortController()
  readonly #puts = new Set<Promise<void>>()

  constructor(options: ArchiveIndexerOptions) {
    this.#options = options
  }

  /**
   * To be given to the archive with the segment.
   *
   * @param name file name, 24 digits
   */
  readingOf(name: string): ContentReading | undefined {
    const { segmentSize } = this.#options
    const parsed = parseSegmentFileName(name, segmentSize)
    if (parsed === null) return undefined
    const settings: IndexSettings = { name, segmentSize, ...parsed }
    return { source: { module: READER_MODULE, settings }, onStored: (found) => this.#put(name, found) }
  }

  /** Ends it; what is not done is left out. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.settled()
  }

  /** Waits until nothing is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#puts)
  }

  #put(name: string, content: Uint8Array | null): void {
    const { archive, onSkipped } = this.#options
    const { signal } = this.#stop
    if (signal.aborted) return
    if (content === null || this.#puts.size >= PUTS_LIMIT) {
      onSkipped(name, content === null ? 'it is damaged, or could not be read' : 'too many are under way')
      return
    }
    const put = archive
      .putIndex(name, INDEX_FORMAT, Buffer.from(content), { signal })
      .catch((error: unknown) => {
        if (!signal.aborted) onSkipped(name, error instanceof Error ? error.message : String(error))
      })
      .finally(() => this.#puts.delete(put))
    this.#puts.add(put)
  }
}
