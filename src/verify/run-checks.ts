import { Worker } from 'node:worker_threads'
import { WalshipError } from '../base/index.js'
import type { Run } from './check-plan.js'
import { checkRun, type RunResult } from './check-run.js'
import type { WorkerData, WorkerMessage } from './check-worker.js'
import type { WalInventory, WalSource, WalSourceSpec } from './wal-source.js'

/** The built file, also when this one runs as it is in src, as in tests: a thread cannot load TypeScript. */
const WORKER_FILE = new URL('../../dist/verify/check-worker.js', import.meta.url)

export interface ChecksOptions {
  readonly source: WalSource
  readonly spec: WalSourceSpec
  readonly inventory: WalInventory
  /** Threads, this one included. */
  readonly jobs: number
  readonly signal: AbortSignal
  /** A file was checked. @param bytes its length */
  onFile(bytes: number): void
}

/**
 * Checks runs, several at once, and returns their results in the order of the runs.
 *
 * @throws WalshipError when the place cannot be read; the reason of the signal
 */
export async function runChecks(runs: readonly Run[], options: ChecksOptions): Promise<RunResult[]> {
  const results: RunResult[] = new Array(runs.length)
  let next = 0
  const takeAll = async (check: (run: Run) => Promise<RunResult>) => {
    for (let index = next++; index < runs.length; index = next++) {
      options.signal.throwIfAborted()
      results[index] = await check(runs[index]!)
    }
  }
  const { source, inventory, signal } = options
  const here = (run: Run) =>
    checkRun(source, run, { ...inventory, signal }, (_, bytes) => options.onFile(bytes))
  // This thread is one of them: it can begin at once.
  const others = Math.min(options.jobs, runs.length) - 1
  const threads = Array.from({ length: Math.max(0, others) }, () => new CheckThread(options))
  try {
    await Promise.all([takeAll(here), ...threads.map((thread) => takeAll((run) => thread.check(run)))])
  } finally {
    await Promise.all(threads.map((thread) => thread.end()))
  }
  return results
}

class CheckThread {
  readonly #worker: Worker
  #waiting: PromiseWithResolvers<RunResult> | null = null

  constructor(options: ChecksOptions) {
    const { spec, inventory, signal, onFile } = options
    const { segmentSize, systemIdentifier } = inventory
    const workerData: WorkerData = { spec, segmentSize, systemIdentifier }
    this.#worker = new Worker(WORKER_FILE, { workerData })
    this.#worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'file') onFile(message.bytes)
      else if (message.kind === 'result') this.#waiting?.resolve(message.result)
      else this.#waiting?.reject(new WalshipError(message.message, message))
    })
    this.#worker.on('error', (error) => this.#waiting?.reject(error))
    this.#worker.on('exit', () => {
      const ended = new WalshipError('a thread of the check has ended', { code: 'VERIFY_UNEXPECTED' })
      this.#waiting?.reject(signal.aborted ? signal.reason : ended)
    })
    signal.addEventListener('abort', () => void this.end(), { once: true })
  }

  async check(run: Run): Promise<RunResult> {
    this.#waiting = withResolvers()
    this.#worker.postMessage(run)
    try {
      return await this.#waiting.promise
    } finally {
      this.#waiting = null
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(reason: unknown): void
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void
  let reject!: (reason: unknown) => void
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
