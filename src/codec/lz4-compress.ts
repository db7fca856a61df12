import { compress, compressSync } from 'lz4-napi'
import type { Compressor, CompressorOutput } from './compressor-contract.js'
import { LZ4_BLOCK_SIZE, LZ4_END_MARK, LZ4_FRAME_HEADER, LZ4_UNCOMPRESSED_FLAG } from './lz4-frame.js'

/** Blocks being compressed or waiting for their turn to be written. */
const MAX_BLOCKS_IN_FLIGHT = 6

/** Below this a block is compressed on the spot: the trip to the thread pool costs more. */
const WORTH_A_TRIP = 32 * 1024

/** The library puts the raw length in front of the block it compressed. */
const LENGTH_PREFIX = 4

interface Block {
  /** Its bytes in the frame, once they are there. */
  packed: Buffer[] | null
  readonly ready: Promise<void>
}

/**
 * An LZ4 frame of independent blocks, compressed by several threads and written in order, several
 * with one call where they are ready. The algorithm has one level only: the levels that `-Z lz4:N`
 * accepts all give the same result.
 *
 * Bytes are copied into blocks of full size. That costs a pass over them and wins more: the pieces of a
 * stream are a third of a block, and `write` returns while the threads are still at work, so that they
 * need not run dry at the end of each batch.
 */
export class Lz4Compressor implements Compressor {
  readonly #output: CompressorOutput
  #block: Buffer = Buffer.allocUnsafeSlow(LZ4_BLOCK_SIZE)
  #filled = 0
  /** Blocks whose bytes are compressed, to be filled again. */
  readonly #free: Buffer[] = []
  readonly #queue: Block[] = []
  #writing: Promise<void> | null = null
  #failure: { readonly error: unknown } | null = null
  #headerWritten = false
  /** Wakes a `write` that waits for room in the queue. */
  #onRoom: (() => void) | null = null

  constructor(output: CompressorOutput) {
    this.#output = output
  }

  async write(buffers: readonly Buffer[]): Promise<void> {
    for (const buffer of buffers) {
      for (let from = 0; from < buffer.length; ) {
        const count = buffer.copy(this.#block, this.#filled, from)
        this.#filled += count
        from += count
        if (this.#filled < LZ4_BLOCK_SIZE) continue
        this.#submit()
        while (this.#queue.length >= MAX_BLOCKS_IN_FLIGHT)
          await new Promise<void>((resolve) => {
            this.#onRoom = resolve
          })
      }
    }
    this.#throwFailure()
  }

  async flush(): Promise<void> {
    if (this.#filled > 0) this.#submit()
    this.#start()
    await this.#written()
  }

  async end(): Promise<void> {
    await this.flush()
    await this.#output([LZ4_END_MARK])
  }

  destroy(): void {
    this.#filled = 0
  }

  /** Sends the block on its way. */
  #submit(): void {
    const memory = this.#block
    const raw = memory.subarray(0, this.#filled)
    this.#filled = 0
    if (this.#failure !== null) return
    this.#block = this.#free.pop() ?? Buffer.allocUnsafeSlow(LZ4_BLOCK_SIZE)
    // The result keeps room for the worst case, of which the garbage collector sees only the part in
    // use, so it would come too late; memory that is not touched costs nothing and makes it count right.
    Buffer.allocUnsafeSlow(raw.length)
    const packing = raw.length <= WORTH_A_TRIP ? Promise.resolve(compressSync(raw)) : compress(raw)
    const block: Block = {
      packed: null,
      ready: packing.then((packed) => {
        block.packed = frameBlock(raw, packed)
        this.#free.push(memory)
      }),
    }
    // It may fail before its turn to be awaited has come; the error is met there.
    block.ready.catch(() => {})
    this.#queue.push(block)
    this.#start()
  }

  #start(): void {
    if (this.#writing !== null || this.#failure !== null) return
    this.#writing = this.#writeBlocks()
      .catch((error) => {
        this.#failure = { error }
        this.#queue.length = 0
        this.#onRoom?.()
      })
      .finally(() => {
        this.#writing = null
        // Blocks that came after the last look at the queue.
        if (this.#queue.length > 0) this.#start()
      })
  }

  async #writeBlocks(): Promise<void> {
    if (!this.#headerWritten) await this.#output([LZ4_FRAME_HEADER])
    this.#headerWritten = true
    while (this.#queue.length > 0) {
      await this.#queue[0]!.ready
      let count = 1
      while (this.#queue[count]?.packed != null) count += 1
      await this.#output(this.#queue.slice(0, count).flatMap((block) => block.packed!))
      this.#queue.splice(0, count)
      this.#onRoom?.()
    }
  }

  /** Waits until all blocks so far are written. */
  async #written(): Promise<void> {
    while (this.#writing !== null) await this.#writing
    this.#throwFailure()
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error
  }
}

function frameBlock(raw: Buffer, packedWithLength: Buffer): Buffer[] {
  const packed = packedWithLength.subarray(LENGTH_PREFIX)
  const size = Buffer.allocUnsafe(4)
  if (packed.length < raw.length) {
    size.writeUInt32LE(packed.length)
    return [size, packed]
  }
  // Stored as it is. A copy: the caller's memory may be used again while the output keeps the chunk.
  size.writeUInt32LE((raw.length | LZ4_UNCOMPRESSED_FLAG) >>> 0)
  return [size, Buffer.from(raw)]
}
