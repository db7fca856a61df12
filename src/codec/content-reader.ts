/** Reads content while it is packed, on the thread that packs it: so it has to be read from the disk only once. */
export interface ContentReader {
  /** @param bytes the next of the content; good until the call returns */
  take(bytes: Buffer): void
  /**
   * @param sha256 of the whole content, in hexadecimal digits
   * @returns what was found; null for nothing
   */
  end(sha256: string): Uint8Array | null
}

/** How a reader is made on another thread. */
export interface ReaderSource {
  /** URL of a module that exports an `openReader(settings)` which returns a ContentReader. */
  readonly module: string
  /** Copied to the other thread. */
  readonly settings: unknown
}

/** A reader, and who is told what it found. */
export interface ContentReading {
  readonly source: ReaderSource
  /**
   * Called when the content is in the store; not when it was found there before it was packed.
   *
   * @param found null for nothing, and when reading failed: packing does not fail with it
   */
  onStored(found: Uint8Array | null): void
}

/** Packing comes first: a reader that fails is left out from then on, and has found nothing. */
export class GuardedReader {
  #reader: ContentReader | null

  private constructor(reader: ContentReader | null) {
    this.#reader = reader
  }

  static async open(source: ReaderSource | undefined): Promise<GuardedReader> {
    if (source === undefined) return new GuardedReader(null)
    try {
      const { openReader } = await import(source.module)
      return new GuardedReader(openReader(source.settings))
    } catch {
      return new GuardedReader(null)
    }
  }

  take(bytes: Buffer): void {
    try {
      this.#reader?.take(bytes)
    } catch {
      this.#reader = null
    }
  }

  end(sha256: string): Uint8Array | null {
    try {
      return this.#reader?.end(sha256) ?? null
    } catch {
      return null
    }
  }
}
