/**
 * Memory for whole segments, used again from one upload to the next: as many buffers as there are uploads
 * at once, where new ones would pile up until the garbage collector finds time for them.
 */
export class SegmentBuffers {
  readonly #segmentSize: number
  readonly #free: Buffer[] = []

  constructor(segmentSize: number) {
    this.#segmentSize = segmentSize
  }

  /** A segment's size of memory; it may hold old bytes. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#segmentSize)
  }

  /**
   * Only after success. A request that failed may still be sending from the buffer, so that one is left to
   * the garbage collector.
   */
  giveBack(buffer: Buffer): void {
    this.#free.push(buffer)
  }

  /** Nothing is under way: the memory is of more use elsewhere. */
  release(): void {
    this.#free.length = 0
  }
}
