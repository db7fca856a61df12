import { Worker } from 'node:worker_threads'
import { WalshipError } from '../base/index.js'
import type { PackingAnswer, PackingRequest } from './packing-messages.js'

/** The built file, also when this one runs as it is in src, as in tests: a thread cannot load TypeScript. */
const WORKER_FILE = new URL('../../dist/codec/packing-worker.js', import.meta.url)

/** Reading WAL leaves much garbage: collected often, it takes little memory. 13 MB more were seen without. */
const YOUNG_MEMORY_MB = 3

export const PACKING_FAILED = 'PACKING_FAILED'

interface Asked {
  resolve(answer: PackingAnswer): void
  reject(error: Error): void
}

/**
 * The one thread of this process that packs objects, started when it is needed.
 *
 * Packing on a thread of its own keeps the main thread, which commits wait for, free of hashing and of the
 * garbage that comes with compression.
 */
class PackingThread {
  readonly #asked = new Map<number, Asked>()
  #worker: Worker | null = null
  #lastId = 0

  /** @returns a number no other object has */
  newId(): number {
    this.#lastId += 1
    return this.#lastId
  }

  /**
   * @throws WalshipError `PACKING_FAILED`, also when the thread has died
   */
  async ask(request: PackingRequest): Promise<PackingAnswer> {
    const answer = await new Promise<PackingAnswer>((resolve, reject) => {
      const worker = this.#running()
      this.#asked.set(request.id, { resolve, reject })
      // Only while somebody waits for it may the thread keep the process alive.
      worker.ref()
      worker.postMessage(request)
    })
    if (answer.kind === 'failed') throw failed(answer.message)
    return answer
  }

  /** Ends the thread if it has nothing to do, and with it what it holds. */
  stopIfIdle(): void {
    if (this.#asked.size > 0 || this.#worker === null) return
    const worker = this.#worker
    this.#worker = null
    void worker.terminate()
  }

  #running(): Worker {
    if (this.#worker !== null) return this.#worker
    const worker = new Worker(WORKER_FILE, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEMORY_MB } })
    worker.on('message', (answer: PackingAnswer) => {
      this.#take(answer.id)?.resolve(answer)
    })
    worker.on('error', (error) => this.#lost(worker, failed(error.message, error)))
    worker.on('exit', (code) => this.#lost(worker, failed(`the thread for it has ended with ${code}`)))
    this.#worker = worker
    return worker
  }

  #take(id: number): Asked | undefined {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    if (this.#asked.size === 0) this.#worker?.unref()
    return asked
  }

  /** All that it had is tried again by whoever wanted it, with a new thread. */
  #lost(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return
    this.#worker = null
    for (const id of [...this.#asked.keys()]) this.#take(id)?.reject(error)
  }
}

function failed(reason: string, cause?: unknown): WalshipError {
  return new WalshipError(`could not compress: ${reason}`, {
    code: PACKING_FAILED,
    hint: 'it is tried again; if that does not help, the machine may be short of memory',
    retryable: true,
    cause,
  })
}

export const packingThread = new PackingThread()
