/** Bytes that are read piece by piece when they are needed, so that the whole never has to be in memory. */
export interface Content {
  /** bytes */
  readonly length: number
  /**
   * Fills `target` with what lies from the offset `from` on. Never asked for bytes beyond the end.
   *
   * @throws when it cannot be filled to its end
   */
  read(target: Buffer, from: number): Promise<void>
}

/** Content that is in memory already. @param bytes must stay as they are */
export function contentOf(bytes: Buffer): Content {
  return {
    length: bytes.length,
    read: async (target, from) => {
      if (bytes.copy(target, 0, from) < target.length) throw new RangeError('content ends before its length')
    },
  }
}
