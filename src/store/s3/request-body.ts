import { Readable } from 'node:stream'

/** What is handed to a connection at once. */
const PIECE_SIZE = 256 * 1024

/**
 * A body as one request sends it. A large one goes piece by piece, as the connection takes it: TLS would else encrypt
 * all of it at once, and hold a second copy of each upload in memory.
 */
export function requestBody(bytes: Buffer): Buffer | Readable {
  if (bytes.length <= PIECE_SIZE) return bytes
  let at = 0
  return new Readable({
    highWaterMark: PIECE_SIZE,
    read() {
      this.push(at < bytes.length ? bytes.subarray(at, at + PIECE_SIZE) : null)
      at += PIECE_SIZE
    },
  })
}
