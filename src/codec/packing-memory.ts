import { packedBound } from './packed-output.js'

/** More than these are not kept: what uploads and parts of the open segment need at once by default. */
const MOST_BODIES = 8
const MOST_PIECES = 16

/** What nobody has asked for so long, in milliseconds, is of more use elsewhere. */
const IDLE_MS = 10_000

/**
 * Memory for packing, shared with the thread that packs and used again.
 *
 * Shared memory because the garbage collector does not count it: what is handed to and fro otherwise looks to it
 * like much garbage, and it stops the main thread, commits included, for each segment. So nothing may be dropped
 * either: all that is taken has to be given back.
 */
export class PackingMemory {
  readonly #pieceSize: number
  readonly #onIdle: () => void
  #bodies: SharedArrayBuffer[] = []
  #bodiesInUse = 0
  #pieces: SharedArrayBuffer[] = []
  #idle: NodeJS.Timeout | null = null

  /** @param onIdle nothing was taken for a while, and nothing is kept any more */
  constructor(pieceSize: number, onIdle: () => void) {
    this.#pieceSize = pieceSize
    this.#onIdle = onIdle
  }

  /**
   * Room for packed content. In few sizes, so that what is kept fits the next; only what is written to takes memory.
   *
   * @param contentLength bytes, before packing
   */
  takeBody(contentLength: number): SharedArrayBuffer {
    const size = packedBound(Math.max(this.#pieceSize, 2 ** Math.ceil(Math.log2(contentLength))))
    this.#bodiesInUse += 1
    const at = this.#bodies.findIndex((body) => body.byteLength >= size)
    return at < 0 ? new SharedArrayBuffer(size) : this.#bodies.splice(at, 1)[0]!
  }

  giveBody(body: SharedArrayBuffer): void {
    this.#bodiesInUse -= 1
    this.#bodies.push(body)
    this.#bodies.sort((a, b) => a.byteLength - b.byteLength)
    // The large ones stay: they serve for everything.
    if (this.#bodies.length > MOST_BODIES) this.#bodies.shift()
    this.#waitUntilIdle()
  }

  takePiece(): SharedArrayBuffer {
    return this.#pieces.pop() ?? new SharedArrayBuffer(this.#pieceSize)
  }

  givePiece(piece: SharedArrayBuffer): void {
    if (this.#pieces.length < MOST_PIECES) this.#pieces.push(piece)
    this.#waitUntilIdle()
  }

  #waitUntilIdle(): void {
    if (this.#idle !== null) {
      this.#idle.refresh()
      return
    }
    this.#idle = setTimeout(() => {
      this.#idle = null
      // Something is being packed, or sent, for longer than this; what it gives back begins the wait anew.
      if (this.#bodiesInUse > 0) return
      this.#bodies = []
      this.#pieces = []
      this.#onIdle()
    }, IDLE_MS)
    this.#idle.unref()
  }
}
