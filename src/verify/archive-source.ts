import { WalshipError } from '../base/index.js'
import { DEFAULT_STORE_COMPRESSION, parseStoreCompression } from '../codec/index.js'
import {
  type ObjectStore,
  openStore,
  parseStoreOptions,
  type StoredIndex,
  type TailPart,
  WalArchive,
} from '../store/index.js'
import { parseSegmentFileName } from '../wal/index.js'
import {
  UnreadableFile,
  type WalFile,
  type WalInventory,
  type WalSource,
  type WalSourceSpec,
} from './wal-source.js'

/** What is wrong with an object, and not with the store. */
const OBJECT_CODES = new Set(['STORE_CORRUPT', 'ARCHIVE_OTHER_CLUSTER', 'ARCHIVE_WRONG_CONTENT'])

/** WAL in an archive. Every object is compared with its length and SHA-256 as it is read. */
export class ArchiveSource implements WalSource {
  readonly name: string
  readonly #store: ObjectStore
  readonly #archive: WalArchive

  /** @throws WalshipError when the store does not answer, or is no archive */
  static async open(spec: Extract<WalSourceSpec, { kind: 'archive' }>): Promise<ArchiveSource> {
    const method = spec.values['store-compression']
    const compression = typeof method === 'string' ? parseStoreCompression(method) : DEFAULT_STORE_COMPRESSION
    const store = await openStore(spec.url, parseStoreOptions(spec.values, spec.environment))
    try {
      return new ArchiveSource(store, await WalArchive.open(store, { compression, readOnly: true }))
    } catch (error) {
      await store.close()
      throw error
    }
  }

  private constructor(store: ObjectStore, archive: WalArchive) {
    this.name = archive.name
    this.#store = store
    this.#archive = archive
  }

  async inventory(signal: AbortSignal): Promise<WalInventory> {
    const listed = await this.#archive.inventory({ signal })
    // It rejects where there is none.
    const { segmentSize, systemIdentifier } = this.#archive.identity!
    const files: WalFile[] = []
    for (const name of listed.segments) {
      const parsed = parseSegmentFileName(name.slice(0, 24), segmentSize)
      const kind = name.length === 24 ? 'segment' : 'partial'
      if (parsed !== null) files.push({ ...parsed, name, kind, storedBytes: listed.storedBytes.get(name) })
    }
    for (const name of listed.tails) {
      const parsed = parseSegmentFileName(name, segmentSize)
      if (parsed !== null) files.push({ ...parsed, name, kind: 'tail' })
    }
    if (files.length === 0)
      throw new WalshipError(`there is no WAL in ${this.name}`, { code: 'VERIFY_NO_WAL' })
    return {
      segmentSize,
      systemIdentifier: BigInt(systemIdentifier),
      files,
      histories: listed.histories,
      gaps: await this.#archive.listGaps({ signal }),
      unused: 0,
    }
  }

  async read(file: WalFile, signal: AbortSignal): Promise<Buffer | null> {
    try {
      if (file.kind === 'tail') return await this.#readTail(file, signal)
      return await this.#archive.getSegment(file.name, { signal })
    } catch (error) {
      if (error instanceof WalshipError && OBJECT_CODES.has(error.code))
        throw new UnreadableFile(error.message, error.hint ?? '', error)
      throw error
    }
  }

  readIndex(file: WalFile, format: number, signal: AbortSignal): Promise<StoredIndex | null> {
    return this.#archive.getIndex(file.name, format, { signal })
  }

  readHistory(timeline: number, signal: AbortSignal): Promise<Buffer | null> {
    return this.#archive.getHistory(timeline, { signal })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#store.close()
  }

  /** As far as parts join from the segment's start. */
  async #readTail({ timeline, segment }: WalFile, signal: AbortSignal): Promise<Buffer | null> {
    const pieces: Buffer[] = []
    let end = 0
    for (const part of joined(await this.#archive.listTailParts(timeline, segment, { signal }))) {
      const bytes = await this.#archive.readTailPart(part, { signal })
      pieces.push(bytes.subarray(end - part.from))
      end = part.to
    }
    return end === 0 ? null : Buffer.concat(pieces)
  }
}

/** The fewest parts that make up the longest beginning without a hole. */
function joined(parts: readonly TailPart[]): TailPart[] {
  const chain: TailPart[] = []
  for (let end = 0; ; end = chain.at(-1)!.to) {
    const next = parts
      .filter(({ from, to }) => from <= end && to > end)
      .reduce<TailPart | null>((a, b) => (a === null || b.to > a.to ? b : a), null)
    if (next === null) return chain
    chain.push(next)
  }
}
