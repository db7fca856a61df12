import type { ContentReader } from '../codec/index.js'
import { formatSegmentIndex, RecordMemory, SegmentIndexer } from '../records/index.js'
import { type Lsn, lsnAdd, segmentStart } from '../wal/index.js'

export interface IndexSettings {
  /** File name, 24 digits. */
  readonly name: string
  readonly timeline: number
  readonly segment: bigint
  readonly segmentSize: number
}

/** Larger ones are not kept: few segments need as much. */
const KEPT_MEMORY_BYTES = 4 * 1024 * 1024

/**
 * Used again, because it is dropped faster than the garbage collector comes. As many as segments are packed at once; that
 * of a segment that was given up is lost.
 */
const memories: RecordMemory[] = []

/** Makes a segment's index where the segment is packed; see ReaderSource. */
export function openReader({ name, timeline, segment, segmentSize }: IndexSettings): ContentReader {
  const memory = memories.pop() ?? new RecordMemory()
  const indexer = new SegmentIndexer({ segmentSize, timeline }, memory)
  let at: Lsn = segmentStart(segment, segmentSize)
  return {
    take(bytes) {
      indexer.push(at, bytes)
      at = lsnAdd(at, bytes.length)
    },
    end(sha256) {
      const index = indexer.finish()
      if (memory.size <= KEPT_MEMORY_BYTES) memories.push(memory)
      return index === null ? null : formatSegmentIndex(index, { segment: name, sha256 })
    },
  }
}
