import type { WalSink } from '../pg/index.js'
import { type Lsn, lsnAdd, segmentNumber, segmentStart } from '../wal/index.js'

/** The part of the segment writer that the pump needs. */
export interface PumpWriter {
  readonly written: Lsn
  readonly flushed: Lsn
  write(lsn: Lsn, buffers: readonly Buffer[], sync: boolean): Promise<void>
  sync(): Promise<void>
}

export interface WalPumpOptions {
  readonly segmentSize: number
  /** Make each batch durable before the next. */
  readonly synchronous: boolean
  /** Report flush positions, so that a question of the server is answered only after an fsync. */
  readonly reportsFlush: boolean
  /** Stop once more than this has been received. */
  readonly endLsn: Lsn | undefined
  /**
   * Sees all bytes when they come, before they can be written; what it throws ends the stream, and these bytes are not
   * written. When they come, and not when it is their turn: they are in the processor's cache then, and the disk has
   * something to do meanwhile.
   */
  inspect?(lsn: Lsn, bytes: Buffer): void
  /** A batch has been written (and with `synchronous` flushed). */
  onBatch(): void
  /** More that has to be done before the server gets an answer it waits for. */
  beforeAnswer?(): Promise<void> | undefined
}

interface Batch {
  readonly lsn: Lsn
  readonly buffers: Buffer[]
  readonly settled: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/**
 * Moves WAL from the stream to the segment writer: one write (and fsync) at a time, and all
 * that arrives meanwhile is the next one. It never waits to make a batch bigger, because with
 * synchronous replication that wait is part of every commit.
 *
 * The stream's memory is borrowed until the batch it is in has been written.
 */
export class WalPump implements WalSink {
  readonly #writer: PumpWriter
  readonly #options: WalPumpOptions
  #next: Batch | null = null
  #running: Promise<void> | null = null
  #received: Lsn
  #frozen = false
  #failed = false
  #failure: unknown
  #reachedEnd!: () => void
  /** Resolves when the end position has been passed. */
  readonly reachedEnd: Promise<void>

  constructor(writer: PumpWriter, start: Lsn, options: WalPumpOptions) {
    this.#writer = writer
    this.#options = options
    this.#received = start
    this.reachedEnd = new Promise((resolve) => {
      this.#reachedEnd = resolve
    })
  }

  /** End of what was taken from the stream. */
  get received(): Lsn {
    return this.#received
  }

  onWal(lsn: Lsn, view: Buffer): void | Promise<void> {
    if (this.#frozen) return
    const bytes = this.#upToEnd(lsn, view)
    try {
      this.#options.inspect?.(lsn, bytes)
    } catch (error) {
      return this.#refuse(error)
    }
    this.#received = lsnAdd(lsn, bytes.length)
    this.#next ??= newBatch(lsn)
    const { settled } = this.#next
    this.#next.buffers.push(bytes)
    const { endLsn } = this.#options
    if (endLsn !== undefined && this.#received > endLsn) {
      this.freeze()
      this.#reachedEnd()
    }
    return settled
  }

  onReadEnd(): void {
    if (this.#running === null && this.#next !== null) this.#running = this.#run()
  }

  /** The server waits for the answer at shutdown until it confirms all that was sent, so all of it is made safe first. */
  async onKeepalive(_walEnd: Lsn, replyRequested: boolean): Promise<void> {
    if (!replyRequested || this.#frozen) return
    await this.drain()
    if (this.#options.reportsFlush && this.#writer.flushed < this.#writer.written) await this.#writer.sync()
    await this.#options.beforeAnswer?.()
    this.#options.onBatch()
  }

  /** Takes nothing more from the stream. */
  freeze(): void {
    this.#frozen = true
  }

  /** What the pump failed with: when it was with the last bytes, nobody listens to the stream's call any more. */
  get failure(): unknown {
    return this.#failure
  }

  /**
   * Waits until everything taken has been written.
   *
   * @throws nothing: a failed write rejects the stream's call
   */
  async drain(): Promise<void> {
    this.onReadEnd()
    while (this.#running !== null) await this.#running
  }

  /** What came before is good, and is written. */
  async #refuse(error: unknown): Promise<never> {
    this.freeze()
    this.#failure = error
    await this.drain()
    throw error
  }

  async #run(): Promise<void> {
    for (let batch = this.#next; batch !== null; batch = this.#next) {
      this.#next = null
      if (this.#failed) {
        batch.resolve()
        continue
      }
      try {
        await this.#writer.write(batch.lsn, batch.buffers, this.#options.synchronous)
        this.#options.onBatch()
        batch.resolve()
      } catch (error) {
        this.#failed = true
        this.#failure ??= error
        this.#frozen = true
        batch.reject(error)
      }
    }
    this.#running = null
  }

  /**
   * pg_receivewal looks at the end position at each segment end too, before it opens the next
   * file: bytes past such an end would leave a partial that nobody asked for.
   */
  #upToEnd(lsn: Lsn, view: Buffer): Buffer {
    const { endLsn, segmentSize } = this.#options
    if (endLsn === undefined) return view
    const end = lsnAdd(lsn, view.length)
    const stop = segmentStart(segmentNumber(endLsn, segmentSize) + 1n, segmentSize)
    return stop > lsn && stop < end ? view.subarray(0, Number(stop - lsn)) : view
  }
}

function newBatch(lsn: Lsn): Batch {
  let resolve!: () => void
  let reject!: (error: unknown) => void
  const settled = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  // The stream listens; without this a failure after the stream ended would count as unhandled.
  settled.catch(() => {})
  return { lsn, buffers: [], settled, resolve, reject }
}
