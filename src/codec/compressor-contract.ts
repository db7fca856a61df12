/** Takes compressed bytes, one call after the other; the buffers are borrowed until its promise settles. */
export type CompressorOutput = (chunks: readonly Buffer[]) => Promise<void>

/**
 * One compressed stream being made. One call at a time.
 *
 * An error of the output or of the algorithm rejects the call that meets it, and every one after
 * it; it may be met later than the bytes it belongs to were given, but never later than `flush`.
 */
export interface Compressor {
  /** Takes bytes; the buffers are free again when it resolves. */
  write(buffers: readonly Buffer[]): Promise<void>
  /** Once it resolved, the output has all that is needed to get back every byte given so far. */
  flush(): Promise<void>
  /** Completes the stream: the output is then a valid file. */
  end(): Promise<void>
  /** Gives the stream up and frees what it holds. */
  destroy(): void
}
