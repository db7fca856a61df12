import { createHash } from 'node:crypto'
import { formatSegmentIndex, INDEX_FORMAT, SegmentIndexer } from '../../src/records/index.js'
import type { WalArchive } from '../../src/store/index.js'
import { parseSegmentFileName, segmentStart } from '../../src/wal/index.js'
import { asServerUser } from '../restore/live-archive.js'

/** Makes indexes of all segments of the first two timelines, but for every tenth: those have to be read. */
export async function putIndexes(archive: WalArchive, segmentSize: number): Promise<void> {
  let count = 0
  for (const timeline of [1, 2]) {
    for await (const segment of archive.listSegments(timeline)) {
      if (segment.length > 24 || ++count % 10 === 0) continue
      const raw = (await archive.getSegment(segment))!
      const indexer = new SegmentIndexer({ segmentSize, timeline })
      indexer.push(segmentStart(parseSegmentFileName(segment, segmentSize)!.segment, segmentSize), raw)
      const sha256 = createHash('sha256').update(raw).digest('hex')
      const content = formatSegmentIndex(indexer.finish()!, { segment, sha256 })
      await asServerUser(() => archive.putIndex(segment, INDEX_FORMAT, content))
    }
  }
}
