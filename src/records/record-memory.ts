/** Two pages: most records that go over pages are shorter. */
const LEAST_BYTES = 16 * 1024

/** Memory in which a record that goes over pages is put together. It grows, and is used again for the next one. */
export class RecordMemory {
  #memory = Buffer.alloc(0)
  #length = 0

  /** What it takes, used or not; bytes. */
  get size(): number {
    return this.#memory.length
  }

  /** What was added so far: a view. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length)
  }

  add(bytes: Buffer, from: number, to: number): void {
    const length = this.#length + to - from
    if (length > this.#memory.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#memory.length, LEAST_BYTES))
      this.#memory.copy(larger, 0, 0, this.#length)
      this.#memory = larger
    }
    bytes.copy(this.#memory, this.#length, from, to)
    this.#length = length
  }

  /** Views of it are good until something is added. */
  clear(): void {
    this.#length = 0
  }
}
