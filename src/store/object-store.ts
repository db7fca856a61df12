/**
 * What an object is for. It decides which of the configured traits an object gets: storage class only
 * for `wal`, tags for `wal`, `history`, `gap` and `index`, object lock for everything but `tail`, whose objects
 * must be removable as soon as the segment is in, and `index`, which can be made again.
 */
export type ObjectKind = 'identity' | 'wal' | 'history' | 'tail' | 'gap' | 'index'

export interface OperationOptions {
  /** Ends the operation; it then rejects with the signal's reason, and whether it took effect is open. */
  readonly signal?: AbortSignal
}

export interface PutOptions extends OperationOptions {
  readonly kind: ObjectKind
  /** Leave an object alone that is there under this key. */
  readonly ifAbsent: boolean
  /** Lower-case names; names and values are printable ASCII, 2000 bytes in all at the most. */
  readonly metadata?: Readonly<Record<string, string>>
  /** SHA-256 of the body, where the caller knows it: computing it once more costs time. */
  readonly bodySha256?: Buffer
}

export interface GetOptions extends OperationOptions {
  /** First byte wanted. At or past the end of the object the body is empty. Default 0. */
  readonly offset?: number
  /** Most bytes wanted. Default: all to the end. */
  readonly length?: number
  /** An object of more bytes is an error, and is not read: whoever asks knows what he stored. Default 2 GiB. */
  readonly maxSize?: number
}

/** Twice the largest segment. */
export const DEFAULT_MAX_SIZE = 2 * 1024 * 1024 * 1024

export interface ListOptions extends OperationOptions {
  /** Only keys that sort behind this one. */
  readonly after?: string
  /** How many keys to ask for at once, for callers that need only the first few. Default 1000. */
  readonly pageSize?: number
}

export interface ObjectInfo {
  readonly key: string
  /** bytes, of the whole object */
  readonly size: number
  readonly metadata: Readonly<Record<string, string>>
}

export interface StoredObject {
  readonly info: ObjectInfo
  readonly body: Buffer
}

export interface ListedObject {
  readonly key: string
  /** bytes */
  readonly size: number
  /** When it was stored, by the store's clock; left out where that is not known. */
  readonly storedAt?: Date
}

/** Until when an object cannot be removed; `released`: until somebody takes a legal hold off. */
export type ObjectLock = Date | 'released'

/**
 * Bytes by key. The promises every store keeps:
 *
 * - An object that can be seen is complete, and durable when `put` resolves.
 * - With `ifAbsent`, of several writers of one key exactly one gets `created`; `features.createOnly`
 *   says whether that is certain or only as good as looking first.
 * - `null`, `exists` and an empty list are said only when the store surely said so: whatever leaves a
 *   doubt (no connection, no right to look, no bucket, an answer that makes no sense) is a StoreError.
 *
 * Not promised: anything about two different keys, such as in which order they appear.
 *
 * Keys are relative to the place the store was opened at: parts of letters, digits, `.`, `_`, `-`, `~`
 * joined by `/`, no part beginning with a dot, and no key that is the folder of another.
 */
export interface ObjectStore {
  /** For messages, without secrets: `s3://bucket/prefix`. */
  readonly name: string
  readonly features: StoreFeatures
  /**
   * Stores a whole object.
   *
   * @param body must stay as it is until the promise settled; it may be sent more than once
   * @returns `exists` only with `ifAbsent`
   */
  put(key: string, body: Buffer, options: PutOptions): Promise<'created' | 'exists'>
  /** Reads an object, or a part of it. `null`: surely not there. */
  get(key: string, options?: GetOptions): Promise<StoredObject | null>
  /** `null`: surely not there. */
  head(key: string, options?: OperationOptions): Promise<ObjectInfo | null>
  /** Keys that begin with `prefix`, in the order of their bytes. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ListedObject>
  /**
   * Until when the store itself keeps an object from being removed. `null`: it does not, as far as it says so; a store
   * may say nothing to who has no right to ask.
   */
  lockOf(key: string, options?: OperationOptions): Promise<ObjectLock | null>
  /** Removes objects; one that is not there is no error. */
  delete(keys: readonly string[], options?: OperationOptions): Promise<void>
  /**
   * Makes durable what a list can show. For who concludes from lists what is safe: a writer that was killed may have
   * given a name and not lived to sync it.
   */
  settle(options?: OperationOptions): Promise<void>
  /** Waits for what is under way (abort it first to be quick) and gives resources back. May be called twice. */
  close(): Promise<void>
}

export interface StoreFeatures {
  /** `put` with `ifAbsent` is decided by the store in one step. False: look first, then write. */
  readonly createOnly: boolean
}
