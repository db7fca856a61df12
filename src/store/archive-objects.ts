import {
  type Content,
  type ContentReading,
  CorruptStreamError,
  decompressBuffer,
  type Packed,
  pack,
  type StoreAlgorithm,
  type StoreCompression,
} from '../codec/index.js'
import { type ContentFacts, conflict, otherCluster } from './archive-errors.js'
import { sha256Hex } from './digest.js'
import { operationFailed, StoreError } from './errors.js'
import type { ObjectInfo, ObjectKind, ObjectStore, OperationOptions, StoredObject } from './object-store.js'

/** Names of the metadata every object of an archive carries. */
const SHA256 = 'sha256'
const RAW_LENGTH = 'raw-length'
const SYSTEM_IDENTIFIER = 'system-identifier'
const COMPRESSION = 'compression'

export interface PutContent {
  readonly key: string
  readonly kind: ObjectKind
  readonly raw: Content
  readonly compression: StoreCompression
  /** Look at the object once more before it counts as stored. */
  readonly readBack: boolean
  /** Further metadata, such as what a check of the WAL found. */
  readonly marks?: Readonly<Record<string, string>>
  /** What reads the content while it is packed. */
  readonly reading?: ContentReading
}

/**
 * Content by key, compressed and with a checksum, in an archive of one cluster.
 *
 * Content is named by the SHA-256 of its raw bytes: storing the same again is success whatever it was
 * compressed with, other content under a taken name is an error, and what is read is checked.
 */
export class ArchiveObjects {
  readonly store: ObjectStore
  readonly systemIdentifier: string

  constructor(store: ObjectStore, systemIdentifier: string) {
    this.store = store
    this.systemIdentifier = systemIdentifier
  }

  /**
   * @throws WalArchiveError `ARCHIVE_CONFLICT`
   * @throws StoreError
   */
  async put(content: PutContent, options: OperationOptions): Promise<'stored' | 'already-there'> {
    const { compression, raw, reading } = content
    const packed = await pack(compression, raw, reading?.source)
    try {
      const outcome = await this.#putPacked(content, packed, options)
      reading?.onStored(packed.found)
      return outcome
    } finally {
      // Also after a failure. Should a request that was given up still send from this memory, the store refuses it:
      // the body's checksum is part of the request.
      packed.release()
    }
  }

  async #putPacked(
    { key, kind, raw, compression, marks, readBack }: PutContent,
    { body, bodySha256, sha256 }: Packed,
    options: OperationOptions,
  ): Promise<'stored' | 'already-there'> {
    const facts = { sha256, rawLength: raw.length }
    const metadata = {
      ...marks,
      [SHA256]: sha256,
      [RAW_LENGTH]: String(raw.length),
      [SYSTEM_IDENTIFIER]: this.systemIdentifier,
      [COMPRESSION]: compression.algorithm,
    }
    for (let attempt = 1; ; attempt++) {
      const put = { ...options, kind, ifAbsent: true, metadata, bodySha256 }
      const answer = await this.store.put(key, body, put)
      if (answer === 'created' && !readBack) return 'stored'
      const info = await this.store.head(key, options)
      if (info !== null) {
        // On `created` too: it proves that this very content is there, and not only a success status.
        this.compare(info, facts)
        if (info.size === body.length) return answer === 'exists' ? 'already-there' : 'stored'
        if (answer === 'exists') {
          await this.proveContent(info, compression.algorithm, facts, options)
          return 'already-there'
        }
      }
      // Removed since, or lost: once more, and then it is not ours to explain.
      if (attempt >= 2) {
        const reason =
          info === null ? 'it was stored and is not there' : `${info.size} bytes are there of ${body.length}`
        throw operationFailed({ verb: 'put', key, store: this.store.name }, reason, {
          code: 'STORE_CORRUPT',
          hint: 'check what else writes to or deletes from this place',
        })
      }
    }
  }

  /**
   * Makes sure that an object which is there holds the given content.
   *
   * @throws WalArchiveError `ARCHIVE_CONFLICT`, `ARCHIVE_OTHER_CLUSTER`
   * @throws StoreError `STORE_CORRUPT` when its metadata do not say
   */
  compare(info: ObjectInfo, ours: ContentFacts): void {
    this.#checkCluster(info)
    const theirs = factsOf(info)
    if (theirs === null) throw this.corrupt(info.key, 'it has no checksum in its metadata')
    if (theirs.sha256 !== ours.sha256 || theirs.rawLength !== ours.rawLength)
      throw conflict(info.key, this.store.name, ours, theirs)
  }

  /**
   * The raw content of an object, checked.
   *
   * @param algorithm undefined: as its metadata say
   * @param maxLength bytes of content that it can have: its metadata may say anything
   * @returns null when it is surely not there
   * @throws StoreError `STORE_CORRUPT` when it is not what was stored, also at a second try
   */
  async get(
    key: string,
    algorithm: StoreAlgorithm | undefined,
    maxLength: number,
    options: OperationOptions,
  ): Promise<Buffer | null> {
    // Compressed, content that does not give way to it takes a little more than it has.
    const maxSize = maxLength + Math.ceil(maxLength / 8) + 65_536
    for (let attempt = 1; ; attempt++) {
      try {
        const object = await this.store.get(key, { ...options, maxSize })
        return object === null ? null : await this.#unpack(object, algorithm, maxLength)
      } catch (error) {
        // It may have been damaged on the way only.
        if (!(error instanceof StoreError) || error.code !== 'STORE_CORRUPT' || attempt >= 2) throw error
      }
    }
  }

  /**
   * Reads an object that was stored by somebody else, or in another way, before it counts as archived: what its metadata
   * say may be all that is left of it.
   *
   * @throws WalArchiveError `ARCHIVE_CONFLICT`; StoreError `STORE_CORRUPT`
   */
  async proveContent(
    info: ObjectInfo,
    algorithm: StoreAlgorithm | undefined,
    ours: ContentFacts,
    options: OperationOptions,
  ): Promise<void> {
    this.compare(info, ours)
    const raw = await this.get(info.key, algorithm, ours.rawLength, options)
    if (raw === null) throw this.corrupt(info.key, 'it was there and is not any more')
    const theirs = { sha256: await sha256Hex(raw), rawLength: raw.length }
    if (theirs.sha256 !== ours.sha256) throw conflict(info.key, this.store.name, ours, theirs)
  }

  /** SHA-256 of an object's raw content, as it was stored with; null when the object or that is not there. */
  async sha256Of(key: string, options: OperationOptions): Promise<string | null> {
    const info = await this.store.head(key, options)
    return info === null ? null : (factsOf(info)?.sha256 ?? null)
  }

  async #unpack(
    { info, body }: StoredObject,
    algorithm: StoreAlgorithm | undefined,
    maxLength: number,
  ): Promise<Buffer> {
    this.#checkCluster(info)
    const facts = factsOf(info)
    if (facts === null) throw this.corrupt(info.key, 'it has no checksum in its metadata')
    if (facts.rawLength > maxLength)
      throw this.corrupt(info.key, `it says that it holds ${facts.rawLength} bytes, more than ${maxLength}`)
    const how = algorithm ?? (info.metadata[COMPRESSION] as StoreAlgorithm | undefined) ?? 'none'
    let raw: Buffer
    try {
      raw = await decompressBuffer(how, body, facts.rawLength)
    } catch (error) {
      if (!(error instanceof CorruptStreamError)) throw error
      throw this.corrupt(info.key, error.message, error)
    }
    if (raw.length !== facts.rawLength)
      throw this.corrupt(info.key, `it holds ${raw.length} bytes in place of ${facts.rawLength}`)
    if ((await sha256Hex(raw)) !== facts.sha256)
      throw this.corrupt(info.key, 'its content does not have the checksum in its metadata')
    return raw
  }

  #checkCluster(info: ObjectInfo): void {
    const found = info.metadata[SYSTEM_IDENTIFIER]
    if (found !== undefined && found !== this.systemIdentifier)
      throw otherCluster(`"${info.key}" in ${this.store.name}`, found, this.systemIdentifier)
  }

  /** An object that is not what was stored. */
  corrupt(key: string, reason: string, cause?: unknown): StoreError {
    return operationFailed({ verb: 'get', key, store: this.store.name }, reason, {
      code: 'STORE_CORRUPT',
      hint: 'bring the object back from another copy or an older version; walship never replaces it',
      cause,
    })
  }
}

function factsOf({ metadata }: ObjectInfo): ContentFacts | null {
  const sha256 = metadata[SHA256]
  const rawLength = metadata[RAW_LENGTH]
  if (sha256 === undefined || !/^[0-9a-f]{64}$/.test(sha256)) return null
  if (rawLength === undefined || !/^[0-9]{1,10}$/.test(rawLength)) return null
  return { sha256, rawLength: Number(rawLength) }
}
