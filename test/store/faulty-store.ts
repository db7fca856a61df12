import type {
  GetOptions,
  ListedObject,
  ListOptions,
  ObjectInfo,
  ObjectLock,
  ObjectStore,
  OperationOptions,
  PutOptions,
  StoredObject,
} from '../../src/store/index.js'
import { StoreError, type StoreErrorCode } from '../../src/store/index.js'

export type Verb = 'put' | 'get' | 'head' | 'list' | 'delete'

export interface StoreCallRecord {
  readonly verb: Verb
  /** Key, or prefix of a list; of a delete the first key. */
  readonly key: string
  /** Bytes of a put's body. */
  readonly size: number
}

/**
 * - `fail` nothing is done, and the call fails
 * - `lose` it is done, and the call fails all the same: the answer got lost
 * - `hold` it waits for the promise, or for its signal, before it is done
 * - `damage` a get's body has one bit turned over
 */
export type StoreFault =
  | { readonly kind: 'fail'; readonly code?: StoreErrorCode }
  | { readonly kind: 'lose'; readonly code?: StoreErrorCode }
  | { readonly kind: 'hold'; readonly until: Promise<unknown> }
  | { readonly kind: 'damage' }

export interface FaultPlan {
  readonly verb?: Verb
  readonly key?: RegExp
  readonly fault: StoreFault
  /** Matching calls to let through first. Default 0. */
  readonly skip?: number
  /** How many get the fault. Default 1; Infinity until `heal`. */
  readonly times?: number
}

/** A store in front of another that does faults to chosen calls and remembers all of them. */
export class FaultyStore implements ObjectStore {
  readonly calls: StoreCallRecord[] = []
  readonly #inner: ObjectStore
  #plans: { plan: FaultPlan; seen: number }[] = []

  constructor(inner: ObjectStore) {
    this.#inner = inner
  }

  get name(): string {
    return this.#inner.name
  }

  get features() {
    return this.#inner.features
  }

  /** Of several plans for a call the oldest that is not used up is done. */
  plan(plan: FaultPlan): void {
    this.#plans.push({ plan, seen: 0 })
  }

  /** Every call fails from now on, as when the store cannot be reached. */
  goDown(code?: StoreErrorCode): void {
    this.plan({ fault: { kind: 'fail', code }, times: Infinity })
  }

  /** Drops all plans. */
  heal(): void {
    this.#plans = []
  }

  count(verb: Verb, key = /./): number {
    return this.calls.filter((call) => call.verb === verb && key.test(call.key)).length
  }

  put(key: string, body: Buffer, options: PutOptions): Promise<'created' | 'exists'> {
    return this.#call({ verb: 'put', key, size: body.length }, options, () =>
      this.#inner.put(key, body, options),
    )
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | null> {
    return this.#call({ verb: 'get', key, size: 0 }, options, () => this.#inner.get(key, options))
  }

  head(key: string, options: OperationOptions = {}): Promise<ObjectInfo | null> {
    return this.#call({ verb: 'head', key, size: 0 }, options, () => this.#inner.head(key, options))
  }

  async lockOf(key: string, options: OperationOptions = {}): Promise<ObjectLock | null> {
    return this.#call({ verb: 'head', key, size: 0 }, options, () => this.#inner.lockOf(key, options))
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListedObject> {
    await this.#call({ verb: 'list', key: prefix, size: 0 }, options, async () => null)
    yield* this.#inner.list(prefix, options)
  }

  delete(keys: readonly string[], options: OperationOptions = {}): Promise<void> {
    return this.#call({ verb: 'delete', key: keys[0] ?? '', size: 0 }, options, () =>
      this.#inner.delete(keys, options),
    )
  }

  settle(options?: OperationOptions): Promise<void> {
    return this.#inner.settle(options)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async #call<Result>(
    call: StoreCallRecord,
    { signal }: OperationOptions,
    run: () => Promise<Result>,
  ): Promise<Result> {
    this.calls.push(call)
    const fault = this.#faultFor(call)
    switch (fault?.kind) {
      case undefined:
        return run()
      case 'fail':
        throw this.#failure(call, fault.code)
      case 'lose':
        await run()
        throw this.#failure(call, fault.code)
      case 'hold':
        await untilAborted(fault.until, signal)
        return run()
      case 'damage':
        return damaged(await run())
    }
  }

  #faultFor(call: StoreCallRecord): StoreFault | null {
    for (const entry of this.#plans) {
      const { verb, key, fault, skip = 0, times = 1 } = entry.plan
      if ((verb !== undefined && verb !== call.verb) || (key !== undefined && !key.test(call.key))) continue
      if (entry.seen >= skip + times) continue
      entry.seen += 1
      if (entry.seen > skip) return fault
    }
    return null
  }

  #failure({ verb, key }: StoreCallRecord, code: StoreErrorCode = 'STORE_UNREACHABLE'): StoreError {
    return new StoreError(`could not ${verb} "${key}" in ${this.name}: planned fault`, { code })
  }
}

function untilAborted(promise: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    promise.then(() => resolve(), reject).finally(() => signal?.removeEventListener('abort', onAbort))
  })
}

function damaged<Result>(result: Result): Result {
  const object = result as StoredObject | null
  if (object === null || !Buffer.isBuffer(object?.body) || object.body.length === 0) return result
  const body = Buffer.from(object.body)
  body[body.length >> 1]! ^= 1
  return { ...object, body } as Result
}
