import type {
  GetOptions,
  ListedObject,
  ListOptions,
  ObjectInfo,
  OperationOptions,
  PutOptions,
  StoredObject,
} from './object-store.js'
import { StoreBase } from './store-base.js'

/** Objects in the memory of this process, for tests and trials: gone when the store is. */
export class MemoryStore extends StoreBase {
  readonly name: string
  readonly features = { createOnly: true }
  readonly #objects = new Map<string, StoredObject>()

  constructor(name = 'memory:') {
    super()
    this.name = name
  }

  protected async putObject(key: string, body: Buffer, options: PutOptions): Promise<'created' | 'exists'> {
    if (options.ifAbsent && this.#objects.has(key)) return 'exists'
    const info = { key, size: body.length, metadata: { ...options.metadata } }
    this.#objects.set(key, { info, body: Buffer.from(body) })
    return 'created'
  }

  protected async getObject(key: string, options: GetOptions): Promise<StoredObject | null> {
    const object = this.#objects.get(key)
    if (object === undefined) return null
    const offset = options.offset ?? 0
    const body = object.body.subarray(offset, offset + (options.length ?? object.body.length))
    return { info: object.info, body: Buffer.from(body) }
  }

  protected async headObject(key: string, _options: OperationOptions): Promise<ObjectInfo | null> {
    return this.#objects.get(key)?.info ?? null
  }

  protected async *listPages(prefix: string, options: ListOptions): AsyncGenerator<readonly ListedObject[]> {
    const after = options.after ?? ''
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    const pageSize = options.pageSize ?? 1000
    for (let at = 0; at < keys.length; at += pageSize) {
      yield keys.slice(at, at + pageSize).flatMap((key) => {
        const object = this.#objects.get(key)
        return object === undefined ? [] : [{ key, size: object.info.size }]
      })
    }
  }

  protected async deleteObject(key: string): Promise<void> {
    this.#objects.delete(key)
  }

  protected async closeStore(): Promise<void> {
    this.#objects.clear()
  }
}
