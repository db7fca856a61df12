import { readdir } from 'node:fs/promises'
import { type Lsn, segmentNumber, segmentStart } from '../wal/index.js'
import { directoryError } from './errors.js'
import { parseWalFileName } from './file-name.js'

/**
 * How far back the files before a position reach without a hole, by their names.
 *
 * @param end a segment start: the position that the run has to end at
 * @param segmentSize bytes
 * @returns the start of the oldest segment of the run; `end` itself when the file before it is not there
 * @throws WalFileError `DIRECTORY_OPEN_FAILED`
 */
export async function findRunStart(directory: string, segmentSize: number, end: Lsn): Promise<Lsn> {
  const names = await readdir(directory).catch((error) => {
    throw directoryError(directory, error)
  })
  const complete = new Set<bigint>()
  for (const name of names) {
    const file = parseWalFileName(name, segmentSize)
    if (file !== null && !file.partial) complete.add(file.segment)
  }
  let segment = segmentNumber(end, segmentSize)
  while (complete.has(segment - 1n)) segment -= 1n
  return segmentStart(segment, segmentSize)
}
