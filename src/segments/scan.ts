import { createReadStream, lstatSync, statSync } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { CorruptStreamError, contentSize } from '../codec/index.js'
import { type Lsn, segmentStart } from '../wal/index.js'
import { directoryError, scanError } from './errors.js'
import { compareForStart, parseWalFileName, type WalFileName } from './file-name.js'

/** A complete segment's file that has not the size of a segment. It is reported, not touched. */
export interface SkippedFile {
  readonly name: string
  /** pg_receivewal's warning, whole */
  readonly reason: string
}

export interface StreamingStart {
  /** First byte to ask for: always the start of a segment. */
  readonly lsn: Lsn
  readonly timeline: number
}

/** stat(2) calls between two turns of the event loop, so that a connection stays alive meanwhile. */
const STATS_PER_TURN = 2000

/**
 * Where streaming has to go on, judged by what is really in the directory: after the newest
 * complete segment, or at the newest partial one. The newest is the one with the highest segment
 * number, at a tie the highest timeline, at a tie the complete one.
 *
 * Nothing is ever deleted. All plain files are looked at, as pg_receivewal does; compressed ones only
 * from the newest down to the first good one, because each must be opened or even decompressed.
 * PostgreSQL: src/bin/pg_basebackup/pg_receivewal.c (FindStreamingStart).
 *
 * @param segmentSize bytes, of the server's cluster
 * @param counts false for a file that is left aside; by default all count
 * @returns `start` null when nothing usable is there; a lone segment 0 counts as nothing
 * @throws WalFileError `DIRECTORY_OPEN_FAILED`, `SEGMENT_SCAN_FAILED`
 */
export async function findStreamingStart(
  directory: string,
  segmentSize: number,
  counts: (file: WalFileName) => boolean = () => true,
): Promise<{ start: StreamingStart | null; skipped: SkippedFile[] }> {
  const files = (await listWalFiles(directory, segmentSize)).filter(counts)
  const skipped: SkippedFile[] = []
  const candidates: WalFileName[] = []
  let untilPause = STATS_PER_TURN
  for (const file of files) {
    if (file.partial || file.algorithm !== 'none') {
      candidates.push(file)
      continue
    }
    if (--untilPause === 0) {
      untilPause = STATS_PER_TURN
      await new Promise((resolve) => setImmediate(resolve))
    }
    const size = sizeOf(directory, file.name)
    if (size === null) continue
    if (size === segmentSize) candidates.push(file)
    else
      skipped.push({
        name: file.name,
        reason: `segment file "${file.name}" has incorrect size ${size}, skipping`,
      })
  }

  candidates.sort(compareForStart)
  for (const file of candidates) {
    if (file.partial) return { start: startAt(file, 0n, segmentSize), skipped }
    if (file.algorithm !== 'none') {
      const size = await uncompressedSize(directory, file)
      if (size === null) continue
      if (size !== segmentSize) {
        skipped.push({
          name: file.name,
          reason: `compressed segment file "${file.name}" has incorrect uncompressed size ${size}, skipping`,
        })
        continue
      }
    }
    return { start: startAt(file, 1n, segmentSize), skipped }
  }
  return { start: null, skipped }
}

/** All files of segments in a directory, in the directory's order. */
export async function listWalFiles(directory: string, segmentSize: number): Promise<WalFileName[]> {
  let names: string[]
  try {
    names = await readdir(directory)
  } catch (error) {
    throw directoryError(directory, error)
  }
  return names.map((name) => parseWalFileName(name, segmentSize)).filter((file) => file !== null)
}

function startAt(file: WalFileName, skip: bigint, segmentSize: number): StreamingStart | null {
  if (file.segment === 0n) return null
  return { lsn: segmentStart(file.segment + skip, segmentSize), timeline: file.timeline }
}

/**
 * Size of a file, or null when it has vanished since the directory was read, as finished files do
 * when an archiver takes them away. A link that leads nowhere is an error, as for pg_receivewal.
 */
function sizeOf(directory: string, name: string): number | null {
  const path = `${directory}/${name}`
  try {
    return statSync(path).size
  } catch (error) {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null
    throw scanError('could not stat file', path, error)
  }
}

/** The size of a compressed file's content, or null when the file has vanished meanwhile. */
async function uncompressedSize(directory: string, file: WalFileName): Promise<number | null> {
  const path = `${directory}/${file.name}`
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null
  return file.algorithm === 'gzip' ? gzipTrailerSize(path) : lz4Size(path)
}

/**
 * gzip keeps the content's size in its last four bytes. Unsigned: read as signed bytes, as
 * pg_receivewal does, every file of an 8 MB segment looks wrong and streaming starts after a gap.
 */
async function gzipTrailerSize(path: string): Promise<number> {
  const file = await open(path).catch((error) => {
    throw scanError('could not open compressed file', path, error)
  })
  try {
    const { size } = await file.stat()
    if (size < 4) throw scanError('could not seek in compressed file', path, undefined, 'Invalid argument')
    const trailer = Buffer.alloc(4)
    await file.read(trailer, 0, 4, size - 4).catch((error) => {
      throw scanError('could not read compressed file', path, error)
    })
    return trailer.readUInt32LE()
  } finally {
    await file.close()
  }
}

/** LZ4 files carry no size, so the whole content is decompressed. */
async function lz4Size(path: string): Promise<number> {
  try {
    return await contentSize('lz4', createReadStream(path))
  } catch (error) {
    if (error instanceof CorruptStreamError)
      throw scanError('could not decompress file', path, error, error.reason)
    throw scanError('could not read file', path, error)
  }
}
