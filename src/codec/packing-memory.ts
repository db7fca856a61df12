/** Below this, in bytes, fresh memory is as good. */
const SMALLEST_BODY = 1024 * 1024

/** More bodies than this are not kept. */
const MOST_BODIES = 4
const MOST_PIECES = 8

/** A larger body, in bytes, would hold on to too much. */
const LARGEST_BODY = 80 * 1024 * 1024

/** What nobody has asked for so long, in milliseconds, is of more use elsewhere. */
const IDLE_MS = 10_000

/**
 * Memory for packing that is used again. Fresh memory for each object would pile up until the garbage
 * collector finds time for it.
 */
export class PackingMemory {
  readonly #pieceSize: number
  #bodies: ArrayBuffer[] = []
  #pieces: ArrayBuffer[] = []
  #idle: NodeJS.Timeout | null = null

  constructor(pieceSize: number) {
    this.#pieceSize = pieceSize
  }

  /** At least so many bytes. Only what is written to takes memory. */
  takeBody(size: number): ArrayBuffer {
    const at = size < SMALLEST_BODY ? -1 : this.#bodies.findIndex((body) => body.byteLength >= size)
    return at < 0 ? new ArrayBuffer(size) : this.#bodies.splice(at, 1)[0]!
  }

  giveBody(body: ArrayBuffer): void {
    if (body.byteLength < SMALLEST_BODY || body.byteLength > LARGEST_BODY) return
    this.#bodies.push(body)
    // The large ones stay: they serve for everything.
    if (this.#bodies.length > MOST_BODIES)
      this.#bodies = this.#bodies.sort((a, b) => b.byteLength - a.byteLength).slice(0, MOST_BODIES)
    this.#waitUntilIdle()
  }

  takePiece(): ArrayBuffer {
    return this.#pieces.pop() ?? new ArrayBuffer(this.#pieceSize)
  }

  givePiece(piece: ArrayBuffer): void {
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
      this.#bodies = []
      this.#pieces = []
    }, IDLE_MS)
    this.#idle.unref()
  }
}
