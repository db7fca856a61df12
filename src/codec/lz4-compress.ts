import { compress, compressSync } from 'lz4-napi'
import type { Compressor, CompressorOutput } from './compressor-contract.js'
import { LZ4_BLOCK_SIZE, LZ4_END_MARK, LZ4_FRAME_HEADER, LZ4_UNCOMPRESSED_FLAG } from './lz4-frame.js'

/** Blocks being compressed or written at once: one for each thread of the pool. */
const MAX_BLOCKS_IN_FLIGHT = 4

/** Blocks of finished streams, for the next: fresh memory costs a page fault for every 4 kB. */
const idleBlocks: Buffer[] = []
const MAX_IDLE_BLOCKS = MAX_BLOCKS_IN_FLIGHT + 1

/** Below this a block is compressed on the spot: the trip to the thread pool costs more than the work. */
const SYNC_LIMIT = 32 * 1024

/** The library puts the raw length in front of the block it compressed. */
const LENGTH_PREFIX = 4

/**
 * An LZ4 frame of independent blocks. Bytes are collected into blocks, which threads compress while
 * more is received; they reach the output in order. The algorithm has one level only: the levels
 * that `-Z lz4:N` accepts all give the same result.
 */
export class Lz4Compressor implements Compressor {
  readonly #output: CompressorOutput
  #block: Buffer | null = null
  #filled = 0
  /** Ends when all blocks so far are written; each block's promise, oldest first, for back-pressure. */
  #last: Promise<void>
  readonly #inFlight: Promise<void>[] = []

  constructor(output: CompressorOutput) {
    this.#output = output
    this.#last = this.#then(() => output([LZ4_FRAME_HEADER]))
  }

  async write(buffers: readonly Buffer[]): Promise<void> {
    for (const buffer of buffers) {
      let from = 0
      while (from < buffer.length) {
        this.#block ??= idleBlocks.pop() ?? Buffer.allocUnsafeSlow(LZ4_BLOCK_SIZE)
        const count = buffer.copy(this.#block, this.#filled, from)
        from += count
        this.#filled += count
        if (this.#filled === LZ4_BLOCK_SIZE) await this.#endBlock()
      }
    }
  }

  async flush(): Promise<void> {
    if (this.#filled > 0) await this.#endBlock()
    await this.#last
  }

  async end(): Promise<void> {
    if (this.#filled > 0) await this.#endBlock()
    this.#last = this.#then(() => this.#output([LZ4_END_MARK]))
    await this.#last
  }

  destroy(): void {
    this.#block = null
  }

  async #endBlock(): Promise<void> {
    const block = this.#block!
    const raw = block.subarray(0, this.#filled)
    this.#block = null
    this.#filled = 0
    // The result keeps room for the worst case, of which the garbage collector sees only the part in
    // use, so it would come too late; memory that is not touched costs nothing and makes it count right.
    Buffer.allocUnsafeSlow(raw.length)
    const packing = raw.length <= SYNC_LIMIT ? compressSync(raw) : compress(raw)
    // It may fail before its turn to be awaited has come; the error is met there.
    if (packing instanceof Promise) packing.catch(() => {})
    this.#last = this.#then(async () => {
      await this.#output(frameBlock(raw, await packing))
      if (idleBlocks.length < MAX_IDLE_BLOCKS) idleBlocks.push(block)
    })
    this.#inFlight.push(this.#last)
    if (this.#inFlight.length > MAX_BLOCKS_IN_FLIGHT) await this.#inFlight.shift()
  }

  /** Runs a step after all the ones before; after a failure all later steps fail with the same error. */
  #then(step: () => Promise<void>): Promise<void> {
    const next = (this.#last ?? Promise.resolve()).then(step)
    next.catch(() => {})
    return next
  }
}

function frameBlock(raw: Buffer, packedWithLength: Buffer): Buffer[] {
  const packed = packedWithLength.subarray(LENGTH_PREFIX)
  const size = Buffer.allocUnsafe(4)
  if (packed.length < raw.length) {
    size.writeUInt32LE(packed.length)
    return [size, packed]
  }
  // Stored as it is. A copy: the block's memory is used again while the output may keep the chunk.
  size.writeUInt32LE((raw.length | LZ4_UNCOMPRESSED_FLAG) >>> 0)
  return [size, Buffer.from(raw)]
}
