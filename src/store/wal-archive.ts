import {
  type Content,
  type ContentReading,
  contentOf,
  STORE_ALGORITHMS,
  type StoreAlgorithm,
  type StoreCompression,
  storeExtension,
} from '../codec/index.js'
import { type ArchiveEnd, findArchiveEnd } from './archive-end.js'
import { noIdentity } from './archive-errors.js'
import { type ArchiveInventory, takeInventory } from './archive-inventory.js'
import {
  type GapRange,
  historyKey,
  isArchivedName,
  parseWalKey,
  walFolder,
  walKey,
} from './archive-layout.js'
import { ArchiveObjects } from './archive-objects.js'
import { ArchiveRemoval } from './archive-removal.js'
import { type ArchiveIdentity, claimArchive, readIdentity } from './cluster-identity.js'
import { contentSha256 } from './digest.js'
import { gapsIn, putGap } from './gap-records.js'
import type { ObjectStore, OperationOptions } from './object-store.js'
import { checkSegment, segmentFault } from './segment-content.js'
import { readIndex, type StoredIndex, storeIndex } from './stored-indexes.js'
import { otherVariants } from './stored-variants.js'
import { type TailPart, TailParts } from './tail-parts.js'

export interface WalArchiveOptions extends OperationOptions {
  /** For what is stored, and what is looked for first. */
  readonly compression: StoreCompression
  /** The cluster that wants to use the archive. An archive that is new becomes its own. */
  readonly identity?: ArchiveIdentity
  /** Never make `cluster.json`; with `identity` an archive without one is an error. Default false. */
  readonly readOnly?: boolean
}

export interface PutSegmentOptions extends OperationOptions {
  /** Further metadata: names with a dash between words, such as `wal-check`. */
  readonly marks?: Readonly<Record<string, string>>
  /** What reads the segment while it is packed. */
  readonly reading?: ContentReading
}

/** What is open after `WalArchive.open` found whose archive it is. */
interface Opened {
  readonly identity: ArchiveIdentity
  readonly objects: ArchiveObjects
  readonly tail: TailParts
}

/** Bytes. A line of a history file has about 60, one for each promotion. */
const MAX_HISTORY_SIZE = 16 * 1024 * 1024

const UNCOMPRESSED: StoreCompression = { algorithm: 'none', level: undefined }

/**
 * WAL by name in an object store, of one cluster.
 *
 * Promises: nothing is ever overwritten; the same content under the same name is success, other content
 * `ARCHIVE_CONFLICT`; what is read is what was stored, checked by SHA-256 and length; `null` is said only
 * for what is surely not there, and never without having seen that this is an archive.
 *
 * Every method may reject with a StoreError, and with the reason of its signal.
 */
export class WalArchive {
  /** Of the store, for messages. */
  readonly name: string
  readonly #store: ObjectStore
  readonly #compression: StoreCompression
  readonly #opened: Opened | null

  /**
   * @throws WalArchiveError `ARCHIVE_OTHER_CLUSTER`, `ARCHIVE_NO_IDENTITY`, `ARCHIVE_LAYOUT`
   * @throws StoreError
   */
  static async open(store: ObjectStore, options: WalArchiveOptions): Promise<WalArchive> {
    const { compression, identity: wanted, readOnly = false, signal } = options
    const identity =
      wanted === undefined
        ? await readIdentity(store, { signal })
        : await claimArchive(store, wanted, !readOnly, { signal })
    // What is found there is told to the server as archived.
    if (wanted !== undefined && !readOnly) await store.settle({ signal })
    return new WalArchive(store, compression, identity)
  }

  private constructor(store: ObjectStore, compression: StoreCompression, identity: ArchiveIdentity | null) {
    this.name = store.name
    this.#store = store
    this.#compression = compression
    if (identity === null) this.#opened = null
    else {
      const objects = new ArchiveObjects(store, identity.systemIdentifier)
      this.#opened = { identity, objects, tail: new TailParts(objects, identity.segmentSize, compression) }
    }
  }

  /** null: this is no archive, or not yet one; everything but this fails with `ARCHIVE_NO_IDENTITY`. */
  get identity(): ArchiveIdentity | null {
    return this.#opened?.identity ?? null
  }

  /**
   * Stores a segment. Resolves when the store was seen to have it: then the local copy may go.
   *
   * It is looked for under the extensions of other compressions before it is stored, so that other content does not get
   * beside it, and after it: of two that store it at the same moment the later one sees the other's.
   *
   * @param name 24 digits, or these and `.partial`
   * @param wal the whole segment; of a `.partial`, at most that. It may be read more than once
   * @throws WalArchiveError `ARCHIVE_CONFLICT`, `ARCHIVE_WRONG_CONTENT`
   */
  async putSegment(
    name: string,
    wal: Buffer | Content,
    options: PutSegmentOptions = {},
  ): Promise<'stored' | 'already-there'> {
    const { identity, objects } = this.#open()
    const raw = Buffer.isBuffer(wal) ? contentOf(wal) : wal
    await checkSegment(name, raw, identity)
    const { signal, marks, reading } = options
    const extension = storeExtension(this.#compression.algorithm)
    const isThereOtherwise = async (): Promise<boolean> => {
      let found = false
      for (const other of await otherVariants(objects.store, name, extension, { signal })) {
        const info = await objects.store.head(other, { signal })
        if (info === null) continue
        const stored = parseWalKey(other)?.extension
        const algorithm = STORE_ALGORITHMS.find((each) => storeExtension(each) === stored)
        const facts = { sha256: await contentSha256(raw), rawLength: raw.length }
        await objects.proveContent(info, algorithm, facts, { signal })
        found = true
      }
      return found
    }
    if (await isThereOtherwise()) return 'already-there'
    const key = walKey(name, extension)
    const how = { kind: 'wal', compression: this.#compression, readBack: true } as const
    const outcome = await objects.put({ key, raw, marks, reading, ...how }, { signal })
    await isThereOtherwise()
    return outcome
  }

  /** Stores a timeline's history file; to be done before the timeline's segments. */
  async putHistory(
    timeline: number,
    content: Buffer,
    { signal }: OperationOptions = {},
  ): Promise<'stored' | 'already-there'> {
    const key = historyKey(timeline)
    const raw = contentOf(content)
    const object = { key, kind: 'history', raw, compression: UNCOMPRESSED, readBack: true } as const
    return this.#open().objects.put(object, { signal })
  }

  /**
   * Stores bytes of an open segment.
   *
   * @param wal `to - from` bytes
   * @throws WalArchiveError `ARCHIVE_CONFLICT`
   */
  async putTailPart(
    part: TailPart,
    wal: Buffer | Content,
    { signal }: OperationOptions = {},
  ): Promise<'stored' | 'already-there'> {
    const raw = Buffer.isBuffer(wal) ? contentOf(wal) : wal
    return this.#open().tail.put(part, raw, { signal })
  }

  /** In order of `from`, then `to`; parts may overlap. */
  async listTailParts(
    timeline: number,
    segment: bigint,
    { signal }: OperationOptions = {},
  ): Promise<TailPart[]> {
    return this.#open().tail.list(timeline, segment, { signal })
  }

  /** @throws WalArchiveError `ARCHIVE_TAIL_PART_GONE` when it is not there any more */
  async readTailPart(part: TailPart, { signal }: OperationOptions = {}): Promise<Buffer> {
    return this.#open().tail.read(part, { signal })
  }

  /** Removes all parts of a segment. */
  async deleteTail(timeline: number, segment: bigint, { signal }: OperationOptions = {}): Promise<void> {
    const { tail } = this.#open()
    await tail.delete(await tail.list(timeline, segment, { signal }), { signal })
  }

  async deleteTailParts(parts: readonly TailPart[], { signal }: OperationOptions = {}): Promise<void> {
    await this.#open().tail.delete(parts, { signal })
  }

  /**
   * Reads a segment, unpacked and checked.
   *
   * @param name 24 digits, or these and `.partial`
   * @returns null when it is surely not in the archive
   * @throws StoreError `STORE_CORRUPT`; WalArchiveError `ARCHIVE_OTHER_CLUSTER`
   */
  async getSegment(name: string, { signal }: OperationOptions = {}): Promise<Buffer | null> {
    if (!isArchivedName(name)) throw new TypeError(`"${name}" is not the name of a WAL segment`)
    const read = (algorithm: StoreAlgorithm) => this.#readSegment(name, algorithm, { signal })
    const { algorithm } = this.#compression
    const found = await read(algorithm)
    if (found !== null) return found
    const others = await Promise.allSettled(STORE_ALGORITHMS.filter((other) => other !== algorithm).map(read))
    for (const other of others) if (other.status === 'fulfilled' && other.value !== null) return other.value
    for (const other of others) if (other.status === 'rejected') throw other.reason
    return null
  }

  /** A segment's object that holds the content of another one, metadata and all, is not believed. */
  async #readSegment(name: string, algorithm: StoreAlgorithm, options: OperationOptions) {
    const { identity, objects } = this.#open()
    const key = walKey(name, storeExtension(algorithm))
    const raw = await objects.get(key, algorithm, identity.segmentSize, options)
    const fault = raw === null ? null : segmentFault(name, raw.subarray(0, 64), raw.length, identity)
    if (fault !== null) throw objects.corrupt(key, fault)
    return raw
  }

  /**
   * Names of all that is stored, in the order of their keys: segments (finished ones and `.partial`), segments that
   * have parts of an open tail, and the timelines that have a history file.
   */
  async inventory({ signal }: OperationOptions = {}): Promise<ArchiveInventory> {
    return takeInventory(this.#open().objects.store, { signal })
  }

  /**
   * Stores what a segment holds, for those who look for something. One that is there already stays.
   *
   * @param name 24 digits
   */
  async putIndex(
    name: string,
    format: number,
    content: Buffer,
    { signal }: OperationOptions = {},
  ): Promise<void> {
    await storeIndex(this.#open().objects.store, name, format, content, { signal })
  }

  /**
   * @param name 24 digits
   * @returns null when there is none, or when its segment is not there
   */
  async getIndex(
    name: string,
    format: number,
    { signal }: OperationOptions = {},
  ): Promise<StoredIndex | null> {
    return readIndex(this.#open().objects, this.#compression.algorithm, name, format, { signal })
  }

  /** @returns null when it is surely not in the archive */
  async getHistory(timeline: number, { signal }: OperationOptions = {}): Promise<Buffer | null> {
    return this.#open().objects.get(historyKey(timeline), 'none', MAX_HISTORY_SIZE, { signal })
  }

  /**
   * Names of the segments of a timeline, finished ones and `.partial`, in order.
   *
   * @param options.after only names behind this one
   */
  async *listSegments(
    timeline: number,
    { after = '', signal }: OperationOptions & { readonly after?: string } = {},
  ): AsyncGenerator<string> {
    const { objects } = this.#open()
    // Names of one segment do not sort together with their extensions, so they are put in order here.
    let group: string[] = []
    const from = after === '' ? undefined : walKey(after.slice(0, 24), '')
    for await (const { key } of objects.store.list(walFolder(timeline), { after: from, signal })) {
      const object = parseWalKey(key)
      if (object === null || object.name <= after) continue
      if (group.length > 0 && !object.name.startsWith(group[0]!.slice(0, 24))) {
        yield* group.sort()
        group = []
      }
      if (!group.includes(object.name)) group.push(object.name)
    }
    yield* group.sort()
  }

  /**
   * Where to receive on so that nothing is missing: see `findArchiveEnd`. A few lists, whatever the size.
   *
   * @param options.timeline only on this one; default: the newest that holds WAL
   * @returns null when the archive holds no WAL
   */
  async findEnd({
    timeline,
    signal,
  }: OperationOptions & { readonly timeline?: number } = {}): Promise<ArchiveEnd | null> {
    const { identity, objects } = this.#open()
    const search = {
      store: objects.store,
      segmentSize: identity.segmentSize,
      getHistory: (of: number) => this.getHistory(of, { signal }),
    }
    return findArchiveEnd(search, timeline, { signal })
  }

  /** For who removes WAL that nobody needs any more. */
  removal(): ArchiveRemoval {
    return new ArchiveRemoval(this.#open().objects.store)
  }

  /** Records a hole that was accepted; the same one twice is recorded once. */
  async recordGap(
    gap: GapRange & { readonly reason: string },
    { signal }: OperationOptions = {},
  ): Promise<void> {
    await putGap(this.#open().objects.store, gap, { signal })
  }

  /** Holes that were accepted, in order. */
  async listGaps({ signal }: OperationOptions = {}): Promise<GapRange[]> {
    return gapsIn(this.#open().objects.store, { signal })
  }

  #open(): Opened {
    if (this.#opened === null) throw noIdentity(this.#store.name)
    return this.#opened
  }
}
