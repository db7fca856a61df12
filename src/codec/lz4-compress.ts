import type { Compressor, CompressorOutput } from './compressor-contract.js'
import { lz4Block } from './lz4-blocks.js'
import { LZ4_END_MARK, LZ4_FRAME_HEADER } from './lz4-frame.js'
import { PackingMemory } from './packing-memory.js'
import { packingThread } from './packing-thread.js'

/** Larger than the pieces of whole objects: a stream gains by fewer ways to the other thread. */
const PIECE_SIZE = 1024 * 1024

/** Pieces that are filled, being compressed, or waiting for their turn to be written. */
const MAX_PIECES = 4

/** Below this a piece is compressed on the spot: the way to the other thread takes longer. */
const WORTH_A_TRIP = 32 * 1024

const pieces = new PackingMemory(PIECE_SIZE, () => packingThread.stopIfIdle())

interface Piece {
  /** Its bytes in the frame, once they are there. */
  packed: readonly Buffer[] | null
  readonly ready: Promise<void>
  /** Gives back the memory of `packed`. */
  release(): void
}

/**
 * An LZ4 frame of independent blocks, compressed by the packing thread and written in order. The algorithm
 * has one level only: the levels that `-Z lz4:N` accepts all give the same result.
 *
 * Bytes are copied into pieces of many blocks. That costs a pass over them and wins more: `write` returns
 * while the other thread is still at work, and the stream's own memory is free again.
 */
export class Lz4Compressor implements Compressor {
  readonly #output: CompressorOutput
  /** The piece that is being filled; taken with its first byte. */
  #memory: SharedArrayBuffer | null = null
  #filled = 0
  readonly #queue: Piece[] = []
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
        this.#memory ??= pieces.takePiece()
        const target = Buffer.from(this.#memory, this.#filled, PIECE_SIZE - this.#filled)
        const count = buffer.copy(target, 0, from)
        this.#filled += count
        from += count
        if (this.#filled < PIECE_SIZE) continue
        this.#submit()
        while (this.#queue.length >= MAX_PIECES)
          await new Promise<void>((resolve) => {
            this.#onRoom = resolve
          })
      }
    }
    this.#throwFailure()
  }

  async flush(): Promise<void> {
    this.#submit()
    this.#start()
    await this.#written()
  }

  async end(): Promise<void> {
    await this.flush()
    await this.#output([LZ4_END_MARK])
  }

  destroy(): void {
    if (this.#memory !== null) pieces.givePiece(this.#memory)
    this.#memory = null
    this.#filled = 0
  }

  /** Sends what has been filled on its way. */
  #submit(): void {
    const memory = this.#memory
    if (memory === null) return
    const length = this.#filled
    this.#memory = null
    this.#filled = 0
    if (this.#failure !== null) {
      pieces.givePiece(memory)
      return
    }
    this.#queue.push(length <= WORTH_A_TRIP ? packHere(memory, length) : packThere(memory, length))
    this.#start()
  }

  #start(): void {
    if (this.#writing !== null || this.#failure !== null) return
    this.#writing = this.#writePieces()
      .catch((error) => {
        this.#failure = { error }
        for (const piece of this.#queue.splice(0)) piece.ready.then(piece.release, piece.release)
        this.#onRoom?.()
      })
      .finally(() => {
        this.#writing = null
        // Pieces that came after the last look at the queue.
        if (this.#queue.length > 0) this.#start()
      })
  }

  async #writePieces(): Promise<void> {
    if (!this.#headerWritten) await this.#output([LZ4_FRAME_HEADER])
    this.#headerWritten = true
    while (this.#queue.length > 0) {
      const piece = this.#queue[0]!
      await piece.ready
      await this.#output(piece.packed!)
      this.#queue.shift()
      piece.release()
      this.#onRoom?.()
    }
  }

  /** Waits until all pieces so far are written. */
  async #written(): Promise<void> {
    while (this.#writing !== null) await this.#writing
    this.#throwFailure()
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error
  }
}

/** A small piece is one block, made at once. */
function packHere(memory: SharedArrayBuffer, length: number): Piece {
  return {
    packed: lz4Block(Buffer.from(memory, 0, length)),
    ready: Promise.resolve(),
    // The block may be the memory itself, stored as it is.
    release: () => pieces.givePiece(memory),
  }
}

function packThere(memory: SharedArrayBuffer, length: number): Piece {
  const body = pieces.takeBody(length)
  const id = packingThread.newId()
  const ready = packingThread
    .ask({ id, kind: 'blocks', memory, length, body })
    .then((answer) => {
      if (answer.kind !== 'blocks') throw new Error(`compressing blocks ended with "${answer.kind}"`)
      piece.packed = [Buffer.from(body, 0, answer.length)]
    })
    .finally(() => pieces.givePiece(memory))
  const piece: Piece = { packed: null, ready, release: () => pieces.giveBody(body) }
  // It may fail before its turn to be awaited has come; the error is met there.
  ready.catch(() => {})
  return piece
}
