import { StoreError, tooLarge } from './errors.js'
import { checkKey, checkMetadata } from './object-key.js'
import {
  DEFAULT_MAX_SIZE,
  type GetOptions,
  type ListedObject,
  type ListOptions,
  type ObjectInfo,
  type ObjectLock,
  type ObjectStore,
  type OperationOptions,
  type PutOptions,
  type StoredObject,
  type StoreFeatures,
} from './object-store.js'

/**
 * The rules that are the same for every store, so that an implementation holds only storage code:
 * arguments are checked, nothing starts after `close` or on an aborted signal, an operation that ended
 * because of its signal rejects with the signal's reason, and `close` waits for what is under way.
 */
export abstract class StoreBase implements ObjectStore {
  abstract readonly name: string
  abstract readonly features: StoreFeatures
  readonly #underWay = new Set<Promise<unknown>>()
  #closed: Promise<void> | null = null

  protected abstract putObject(key: string, body: Buffer, options: PutOptions): Promise<'created' | 'exists'>
  protected abstract getObject(key: string, options: GetOptions): Promise<StoredObject | null>
  protected abstract headObject(key: string, options: OperationOptions): Promise<ObjectInfo | null>
  /** Keys in pages of any size, in order. */
  protected abstract listPages(prefix: string, options: ListOptions): AsyncIterator<readonly ListedObject[]>
  protected abstract deleteObject(key: string, options: OperationOptions): Promise<void>
  protected abstract closeStore(): Promise<void>
  /** Stores without locks leave it as it is. */
  protected async lockOfObject(_key: string, _options: OperationOptions): Promise<ObjectLock | null> {
    return null
  }
  /** Stores whose answers are durable leave it as it is. */
  protected async settleStore(): Promise<void> {}
  /** How many single removals may run at once. */
  protected readonly deletesAtOnce: number = 8

  async put(key: string, body: Buffer, options: PutOptions): Promise<'created' | 'exists'> {
    checkKey(key)
    checkMetadata(options.metadata ?? {})
    return this.#run(options.signal, () => this.putObject(key, body, options))
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | null> {
    checkKey(key)
    for (const [name, value] of Object.entries({ offset: options.offset, length: options.length })) {
      if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0))
        throw new RangeError(`${name} must be a safe integer of 0 or more, not ${value}`)
    }
    const object = await this.#run(options.signal, () => this.getObject(key, options))
    const { maxSize = DEFAULT_MAX_SIZE } = options
    if (object !== null && object.body.length > maxSize)
      throw tooLarge({ verb: 'get', key, store: this.name }, object.body.length, maxSize)
    return object
  }

  async head(key: string, options: OperationOptions = {}): Promise<ObjectInfo | null> {
    checkKey(key)
    return this.#run(options.signal, () => this.headObject(key, options))
  }

  async lockOf(key: string, options: OperationOptions = {}): Promise<ObjectLock | null> {
    checkKey(key)
    return this.#run(options.signal, () => this.lockOfObject(key, options))
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListedObject> {
    const pages = this.listPages(prefix, options)
    try {
      for (;;) {
        const page = await this.#run(options.signal, () => pages.next())
        if (page.done) return
        yield* page.value
      }
    } finally {
      await pages.return?.()
    }
  }

  async delete(keys: readonly string[], options: OperationOptions = {}): Promise<void> {
    for (const key of keys) checkKey(key)
    await this.#run(options.signal, async () => {
      const waiting = [...keys]
      let failed = false
      const removeInTurn = async () => {
        while (waiting.length > 0 && !failed) {
          options.signal?.throwIfAborted()
          try {
            await this.deleteObject(waiting.shift()!, options)
          } catch (error) {
            failed = true
            throw error
          }
        }
      }
      const count = Math.min(this.deletesAtOnce, keys.length)
      const results = await Promise.allSettled(Array.from({ length: count }, removeInTurn))
      for (const result of results) if (result.status === 'rejected') throw result.reason
    })
  }

  async settle(options: OperationOptions = {}): Promise<void> {
    await this.#run(options.signal, () => this.settleStore())
  }

  close(): Promise<void> {
    this.#closed ??= Promise.allSettled(this.#underWay).then(() => this.closeStore())
    return this.#closed
  }

  async #run<Result>(signal: AbortSignal | undefined, start: () => Promise<Result>): Promise<Result> {
    if (this.#closed !== null) {
      throw new StoreError(`the store ${this.name} is closed`, { code: 'STORE_CLOSED' })
    }
    signal?.throwIfAborted()
    const operation = start()
    this.#underWay.add(operation)
    try {
      return await operation
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      this.#underWay.delete(operation)
    }
  }
}
