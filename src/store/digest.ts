import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Content } from '../codec/index.js'

/** About half a millisecond of hashing: what a commit that waits for this thread may be held up by. */
const SLICE = 1024 * 1024

/** SHA-256 of a buffer, with turns for other work in between. */
export function sha256(data: Buffer): Promise<Buffer> {
  return digest('sha256', data)
}

/** MD5, where a protocol asks for it. */
export function md5(data: Buffer): Promise<Buffer> {
  return digest('md5', data)
}

async function digest(algorithm: string, data: Buffer): Promise<Buffer> {
  const hash = createHash(algorithm)
  for (let at = 0; at < data.length; at += SLICE) {
    if (at > 0) await setImmediate()
    hash.update(data.subarray(at, at + SLICE))
  }
  return hash.digest()
}

/** The same in 64 hexadecimal digits. */
export async function sha256Hex(data: Buffer): Promise<string> {
  return (await sha256(data)).toString('hex')
}

/** SHA-256 of content that is read for it piece by piece, in 64 hexadecimal digits. */
export async function contentSha256(content: Content): Promise<string> {
  const hash = createHash('sha256')
  const memory = Buffer.allocUnsafeSlow(Math.min(SLICE, content.length))
  for (let from = 0; from < content.length; from += SLICE) {
    const piece = memory.subarray(0, Math.min(SLICE, content.length - from))
    await content.read(piece, from)
    hash.update(piece)
  }
  return hash.digest('hex')
}
