import { Worker } from 'node:worker_threads'

/**
 * Ends the process when one case does not end, and says which: a loop without an end cannot be left in any other way.
 * It looks at the count of cases and not at their time; the limit is for what hangs, not for what is slow.
 */
export class Watchdog {
  readonly #shared = new Int32Array(new SharedArrayBuffer(8))
  readonly #worker: Worker

  constructor(targets: readonly string[], limitMs: number) {
    this.#worker = new Worker(PROGRAM, { eval: true, workerData: { shared: this.#shared, targets, limitMs } })
    this.#worker.unref()
  }

  /** @param target its place in the list of names */
  onCase(target: number, index: number): void {
    Atomics.store(this.#shared, 1, target)
    Atomics.store(this.#shared, 0, index)
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}

const PROGRAM = `
  const { workerData: { shared, targets, limitMs } } = require('node:worker_threads')
  const { writeSync } = require('node:fs')
  let last = '', since = Date.now()
  setInterval(() => {
    const now = shared[1] + ':' + shared[0]
    if (now !== last) { last = now; since = Date.now(); return }
    if (Date.now() - since < limitMs) return
    writeSync(2, 'HANGS: target ' + targets[shared[1]] + ', case ' + shared[0] + '\\n')
    process.kill(process.pid, 'SIGKILL')
  }, 500)
`
