/** Takes exact byte counts from a sequence of chunks of any size. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** The next `byteCount` bytes, or fewer (at last none) when the sequence ends before. */
  async read(byteCount: number): Promise<Buffer> {
    const parts: Buffer[] = []
    let missing = byteCount
    while (missing > 0) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next()
        if (next.done) break
        this.#rest = next.value
        continue
      }
      const part = this.#rest.subarray(0, missing)
      this.#rest = this.#rest.subarray(part.length)
      missing -= part.length
      parts.push(part)
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  /** Lets the sequence release what it holds, when it is not read to its end. */
  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}
