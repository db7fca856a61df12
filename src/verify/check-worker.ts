/** A thread that checks one run after the other. */
import { parentPort, workerData } from 'node:worker_threads'
import { WalshipError } from '../base/index.js'
import type { Run } from './check-plan.js'
import { checkRun, type RunResult } from './check-run.js'
import { openSource } from './open-source.js'
import type { WalInventory, WalSourceSpec } from './wal-source.js'

export interface WorkerData extends Pick<WalInventory, 'segmentSize' | 'systemIdentifier'> {
  readonly spec: WalSourceSpec
}

export type WorkerMessage =
  | { readonly kind: 'file'; readonly bytes: number }
  | { readonly kind: 'result'; readonly result: RunResult }
  | {
      readonly kind: 'error'
      readonly message: string
      readonly code: string
      readonly hint: string | undefined
    }

const port = parentPort!
const { spec, segmentSize, systemIdentifier } = workerData as WorkerData
const source = openSource(spec)
// Met where it is awaited.
source.catch(() => {})
// Threads are ended from outside.
const { signal } = new AbortController()

port.on('message', async (run: Run) => {
  const send = (message: WorkerMessage) => port.postMessage(message)
  try {
    const context = { segmentSize, systemIdentifier, signal }
    const result = await checkRun(await source, run, context, (_, bytes) => send({ kind: 'file', bytes }))
    send({ kind: 'result', result })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const known = error instanceof WalshipError
    send({
      kind: 'error',
      message,
      code: known ? error.code : 'VERIFY_UNEXPECTED',
      hint: known ? error.hint : undefined,
    })
  }
})
