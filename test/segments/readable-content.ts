import { firstContentBytes } from '../../src/codec/index.js'
import { source } from '../codec/sample-data.js'

/** As much of a WAL file's content as can be read, decompressed by its name, garbage behind it or not. */
export async function readableContent(name: string, bytes: Buffer, length: number): Promise<Buffer> {
  const algorithm = name.includes('.gz') ? 'gzip' : name.includes('.lz4') ? 'lz4' : 'none'
  if (algorithm === 'none') return bytes.subarray(0, length)
  let content: Buffer = Buffer.alloc(0)
  // What zlib decoded from a piece of input that also holds a fault is lost, so the pieces get small.
  for (const pieceSize of [65_536, 256, 4]) {
    content = await firstContentBytes(algorithm, source(bytes, pieceSize), length)
    if (content.length === length || algorithm !== 'gzip') break
  }
  return content
}
