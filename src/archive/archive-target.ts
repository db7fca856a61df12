import type { Content, ContentReading } from '../codec/index.js'

/** What the archiver needs of the archive; `WalArchive` of the store room is one. */
export interface ArchiveTarget {
  /** Names the place in messages, without secrets. */
  readonly name: string
  /** @param name 24 digits, or these and `.partial`. Resolves once the object was seen in the store */
  putSegment(
    name: string,
    wal: Content,
    options?: StoreCall & { readonly marks?: Marks; readonly reading?: ContentReading },
  ): Promise<'stored' | 'already-there'>
  putHistory(timeline: number, content: Buffer, options?: StoreCall): Promise<unknown>
  getHistory(timeline: number, options?: StoreCall): Promise<Buffer | null>
  /** Names of finished and left segments of a timeline, in order, from the one behind `after` on. */
  listSegments(timeline: number, options?: StoreCall & { readonly after?: string }): AsyncIterable<string>
  putTailPart(part: TailRange, raw: Content, options?: StoreCall): Promise<unknown>
  listTailParts(timeline: number, segment: bigint, options?: StoreCall): Promise<readonly TailRange[]>
  readTailPart(part: TailRange, options?: StoreCall): Promise<Buffer>
  deleteTail(timeline: number, segment: bigint, options?: StoreCall): Promise<void>
  deleteTailParts(parts: readonly TailRange[], options?: StoreCall): Promise<void>
}

/** What is noted with an object: names with a dash between words. */
export type Marks = Readonly<Record<string, string>>

export interface StoreCall {
  readonly signal?: AbortSignal
}

/** A part of an open segment: bytes `from` up to, not including, `to`, as offsets in the segment. */
export interface TailRange {
  readonly timeline: number
  readonly segment: bigint
  readonly from: number
  readonly to: number
}
