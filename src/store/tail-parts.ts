import type { Content, StoreCompression } from '../codec/index.js'
import { segmentFileName } from '../wal/index.js'
import { tailPartGone } from './archive-errors.js'
import { parseTailKey, tailFolder, tailKey } from './archive-layout.js'
import type { ArchiveObjects } from './archive-objects.js'
import type { OperationOptions } from './object-store.js'

/** Bytes `from` up to, not including, `to` of an open segment, as offsets in it. */
export interface TailPart {
  readonly timeline: number
  readonly segment: bigint
  readonly from: number
  readonly to: number
}

/** Below this compression gains less than it costs. */
const SMALLEST_COMPRESSED = 1024

const UNCOMPRESSED: StoreCompression = { algorithm: 'none', level: undefined }

/**
 * How many bytes from the start on a set of parts holds without a hole. Parts may overlap: when small
 * ones are replaced by one that covers them, both are there for a while.
 */
export function coveredEnd(parts: readonly { readonly from: number; readonly to: number }[]): number {
  let end = 0
  for (const { from, to } of [...parts].sort((a, b) => a.from - b.from)) {
    if (from > end) break
    if (to > end) end = to
  }
  return end
}

/** The open segments' parts in an archive. */
export class TailParts {
  readonly #objects: ArchiveObjects
  readonly #segmentSize: number
  readonly #compression: StoreCompression

  constructor(objects: ArchiveObjects, segmentSize: number, compression: StoreCompression) {
    this.#objects = objects
    this.#segmentSize = segmentSize
    this.#compression = compression
  }

  /** Not read back: the request is signed with the checksum of its body, and tells of success once. */
  async put(part: TailPart, raw: Content, options: OperationOptions): Promise<'stored' | 'already-there'> {
    const { from, to } = part
    if (!(from >= 0 && from < to && to <= this.#segmentSize && raw.length === to - from))
      throw new RangeError(`tail part ${from}-${to} of ${raw.length} bytes does not fit into a segment`)
    const compression = raw.length < SMALLEST_COMPRESSED ? UNCOMPRESSED : this.#compression
    const key = this.#key(part)
    return this.#objects.put({ key, kind: 'tail', raw, compression, readBack: false }, options)
  }

  /** In the order of their beginnings. */
  async list(timeline: number, segment: bigint, options: OperationOptions): Promise<TailPart[]> {
    const folder = tailFolder(segmentFileName(timeline, segment, this.#segmentSize))
    const parts: TailPart[] = []
    for await (const { key } of this.#objects.store.list(folder, options)) {
      const part = parseTailKey(key)
      if (part !== null && part.to <= this.#segmentSize)
        parts.push({ timeline, segment, from: part.from, to: part.to })
    }
    return parts
  }

  /** @throws WalArchiveError `ARCHIVE_TAIL_PART_GONE` */
  async read(part: TailPart, options: OperationOptions): Promise<Buffer> {
    const key = this.#key(part)
    const raw = await this.#objects.get(key, undefined, part.to - part.from, options)
    if (raw === null) throw tailPartGone(key, this.#objects.store.name)
    return raw
  }

  async delete(parts: readonly TailPart[], options: OperationOptions): Promise<void> {
    if (parts.length === 0) return
    await this.#objects.store.delete(
      parts.map((part) => this.#key(part)),
      options,
    )
  }

  #key({ timeline, segment, from, to }: TailPart): string {
    return tailKey(segmentFileName(timeline, segment, this.#segmentSize), from, to)
  }
}
