import { createReadStream } from 'node:fs'
import { errnoOf } from '../base/index.js'
import { firstContentBytes } from '../codec/index.js'
import {
  LONG_PAGE_HEADER_SIZE,
  type LongPageHeader,
  MIN_SEGMENT_SIZE,
  parseLongPageHeader,
  segmentFileName,
  segmentNumber,
} from '../wal/index.js'
import { scanError } from './errors.js'
import { compareForStart, type WalFileName } from './file-name.js'
import { listWalFiles } from './scan.js'

/** Which cluster the WAL in a directory is from. */
export interface DirectoryIdentity {
  readonly systemIdentifier: bigint
  /** bytes */
  readonly segmentSize: number
  /** Name of the file that says so. */
  readonly file: string
}

/**
 * Reads the system identifier from the newest WAL file that has one, so that a receiver can refuse
 * to mix another cluster's WAL into the directory.
 *
 * Complete and partial files count, compressed ones too. A file whose beginning is no page header,
 * or the header of another place in the WAL, says nothing (it may be empty, or made full size and
 * not yet written), and the next older one is looked at.
 *
 * @returns null when no file says anything
 * @throws WalFileError `DIRECTORY_OPEN_FAILED`; `SEGMENT_SCAN_FAILED` for a file that cannot be read
 */
export async function readSystemIdentifier(directory: string): Promise<DirectoryIdentity | null> {
  // The order of names does not depend on the segment size, so any legal one will do here.
  const files = await listWalFiles(directory, MIN_SEGMENT_SIZE)
  files.sort(compareForStart)
  for (const file of files) {
    const header = await readHeader(directory, file)
    if (header !== null && isHeaderOf(file, header)) {
      return {
        systemIdentifier: header.systemIdentifier,
        segmentSize: header.segmentSize,
        file: file.name,
      }
    }
  }
  return null
}

async function readHeader(directory: string, file: WalFileName): Promise<LongPageHeader | null> {
  const path = `${directory}/${file.name}`
  const stream = createReadStream(path, { highWaterMark: 4096 })
  try {
    const bytes = await firstContentBytes(file.algorithm, stream, LONG_PAGE_HEADER_SIZE)
    return parseLongPageHeader(bytes)
  } catch (error) {
    // Taken away by an archiver, or a directory of that name.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EISDIR') return null
    throw scanError('could not read file', path, error)
  } finally {
    stream.destroy()
  }
}

/** Only the position is compared: after a promotion the first page is still of the older timeline. */
function isHeaderOf(file: WalFileName, header: LongPageHeader): boolean {
  const segment = segmentNumber(header.pageAddress, header.segmentSize)
  const expected = segmentFileName(header.timeline, segment, header.segmentSize)
  return expected.slice(8) === file.name.slice(8, 24)
}
