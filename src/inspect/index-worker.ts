/** A thread that makes indexes of segments, so that the thread which commits wait for does not. */
import { createHash } from 'node:crypto'
import { readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { formatSegmentIndex, SegmentIndexer } from '../records/index.js'
import { type Lsn, lsnAdd } from '../wal/index.js'

export interface IndexRequest {
  readonly segment: string
  readonly timeline: number
  readonly start: Lsn
  readonly segmentSize: number
  /** Open for reading, until the answer. */
  readonly descriptor: number
}

export interface IndexAnswer {
  readonly segment: string
  /** Null when the segment is damaged, or could not be read. */
  readonly content: Uint8Array | null
}

const PIECE_BYTES = 1024 * 1024

const port = parentPort!

port.on('message', (request: IndexRequest) => {
  let content: Uint8Array | null = null
  try {
    content = indexOf(request)
  } catch {
    // Nothing depends on it: who looks for something reads the segment.
  }
  const answer: IndexAnswer = { segment: request.segment, content }
  port.postMessage(answer)
})

function indexOf({ segment, timeline, start, segmentSize, descriptor }: IndexRequest): Uint8Array | null {
  const hash = createHash('sha256')
  const indexer = new SegmentIndexer({ segmentSize, timeline })
  const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, segmentSize))
  for (let at = 0; at < segmentSize; ) {
    const count = readSync(descriptor, piece, 0, Math.min(piece.length, segmentSize - at), at)
    if (count < piece.length && at + count < segmentSize) return null
    hash.update(piece.subarray(0, count))
    indexer.push(lsnAdd(start, at), piece.subarray(0, count))
    at += count
  }
  const index = indexer.finish()
  return index === null ? null : formatSegmentIndex(index, { segment, sha256: hash.digest('hex') })
}
