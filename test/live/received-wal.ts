/** What a receiver has put into its directory, looked at from outside and compared with the server's pg_wal. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { decompressFrameSync } from 'lz4-napi'
import { firstContentBytes } from '../../src/codec/index.js'
import {
  formatLsn,
  type Lsn,
  parseSegmentFileName,
  segmentFileName,
  segmentStart,
} from '../../src/wal/index.js'

const SUFFIXES = ['', '.gz', '.lz4', '.partial', '.gz.partial', '.lz4.partial']

/** The file names in a directory, sorted; without the hidden one of the segment that is being made ready. */
export async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => !name.startsWith('.')).sort()
}

/** Where the first received segment starts; fails when nothing was received. */
export async function firstReceived(directory: string, segmentSize: number): Promise<Lsn> {
  const [first] = (await namesIn(directory)).filter((name) => /^[0-9A-F]{24}/.test(name))
  const parsed = parseSegmentFileName(first?.slice(0, 24) ?? '', segmentSize)
  if (parsed === null) throw new Error(`no segment in ${directory}`)
  return segmentStart(parsed.segment, segmentSize)
}

/** The bytes of one received file, decompressed; of a torn partial those that can be had. */
export async function readReceived(path: string): Promise<Buffer> {
  const content = await readFile(path)
  const compressed = /\.(gz|lz4)\.partial$/.exec(path)?.[1]
  if (compressed !== undefined) {
    const algorithm = compressed === 'gz' ? 'gzip' : 'lz4'
    return firstContentBytes(algorithm, Readable.from([content]), Number.POSITIVE_INFINITY)
  }
  if (path.endsWith('.gz')) return gunzipSync(content)
  if (path.endsWith('.lz4')) return decompressFrameSync(content)
  return content
}

/**
 * Compares every byte from `from` (by default the start of the first file) to `to` with the server's own files.
 * @throws at the first byte that is missing or different, saying where
 */
export async function expectSameWal(
  directory: string,
  walDirectory: string,
  range: { from?: Lsn; to: Lsn; segmentSize: number; timeline?: number },
): Promise<void> {
  const names = new Set(await readdir(directory))
  const size = BigInt(range.segmentSize)
  const from = range.from ?? (await firstReceived(directory, range.segmentSize))
  for (let segment = from / size; segment * size < range.to; segment++) {
    const name = segmentFileName(range.timeline ?? 1, segment, range.segmentSize)
    const found = SUFFIXES.map((suffix) => name + suffix).find((each) => names.has(each))
    if (found === undefined) throw new Error(`${name} was not received`)
    const end = Number(range.to - segment * size < size ? range.to - segment * size : size)
    const received = (await readReceived(join(directory, found))).subarray(0, end)
    const served = (await readFile(join(walDirectory, name))).subarray(0, end)
    if (received.equals(served)) continue
    const offset = served.findIndex((byte, index) => byte !== received[index])
    const lsn = formatLsn((segment * size + BigInt(offset)) as Lsn)
    throw new Error(`${found} (${received.length} bytes) differs from the server's file at ${lsn}`)
  }
}
