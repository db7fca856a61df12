import type { Lsn } from '../../src/wal/index.js'

/** Bytes that are known for every position: what "the server" has there. */
export function walByteAt(lsn: Lsn, length: number): Buffer {
  const data = Buffer.alloc(length)
  const start = Number(lsn)
  for (let i = 0; i < length; i++) {
    const at = start + i
    data[i] = (at ^ (at >>> 8) ^ ((at >>> 13) * 31)) & 0xff
  }
  return data
}
