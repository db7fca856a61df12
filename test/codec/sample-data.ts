/** Bytes that compress about as WAL does: records with repeated parts, counters and some noise. */
export function walLikeBytes(byteCount: number, seed = 1): Buffer {
  const data = Buffer.alloc(byteCount)
  let state = seed >>> 0
  for (let at = 0; at + 64 <= byteCount; at += 64) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    data.writeUInt32LE(state, at)
    data.writeUInt32LE(at, at + 8)
    data.write(`row ${state % 1000} of pgbench`, at + 16)
  }
  return data
}

/** Bytes that cannot be compressed. */
export function noise(byteCount: number, seed = 1): Buffer {
  const data = Buffer.alloc(byteCount)
  let state = seed >>> 0 || 1
  for (let at = 0; at < byteCount; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    data[at] = state
  }
  return data
}

/** Cuts a buffer into pieces of the given size. */
export function* pieces(data: Buffer, pieceSize: number): Generator<Buffer> {
  for (let at = 0; at < data.length; at += pieceSize) yield data.subarray(at, at + pieceSize)
}

/** The same as an asynchronous source. */
export async function* source(data: Buffer, pieceSize = 64 * 1024): AsyncGenerator<Buffer> {
  yield* pieces(data, pieceSize)
}
