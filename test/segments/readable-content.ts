import { constants, gunzipSync } from 'node:zlib'
import { firstContentBytes } from '../../src/codec/index.js'
import { source } from '../codec/sample-data.js'

/** As much of a WAL file's content as can be read, decompressed by its name, garbage behind it or not. */
export async function readableContent(name: string, bytes: Buffer, length: number): Promise<Buffer> {
  if (name.includes('.gz')) return gunzipUpToFault(bytes).subarray(0, length)
  if (name.includes('.lz4')) return firstContentBytes('lz4', source(bytes), length)
  return bytes.subarray(0, length)
}

/** zlib hands out nothing of an input that holds a fault, so the longest beginning without one is looked for. */
function gunzipUpToFault(bytes: Buffer): Buffer {
  const all = gunzip(bytes)
  if (all !== null) return all
  let good = 0
  let bad = bytes.length
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1
    if (gunzip(bytes.subarray(0, middle)) === null) bad = middle
    else good = middle
  }
  return gunzip(bytes.subarray(0, good)) ?? Buffer.alloc(0)
}

/** Null when it is faulty; one that is cut off is not. */
function gunzip(bytes: Buffer): Buffer | null {
  if (bytes.length === 0) return Buffer.alloc(0)
  try {
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH })
  } catch {
    return null
  }
}
