import { RestoreError } from './errors.js'
import type { RestoreArchive } from './restore-archive.js'
import { SEGMENT_HEAD_SIZE, segmentFault } from './segment-check.js'

/**
 * Checks a segment that came from an archive, before anybody gets it.
 *
 * @param name 24 digits
 * @param bytes the whole segment
 * @throws RestoreError `RESTORE_CORRUPT`
 */
export function checkSegment(name: string, bytes: Uint8Array, archive: RestoreArchive): void {
  const { systemIdentifier, segmentSize } = archive.identity!
  const fault =
    bytes.length === segmentSize
      ? segmentFault(name, bytes.subarray(0, SEGMENT_HEAD_SIZE), bytes.length, BigInt(systemIdentifier))
      : `it has ${bytes.length} bytes, a segment has ${segmentSize}`
  if (fault === null) return
  throw new RestoreError(`segment ${name} in the archive at "${archive.name}" is not usable: ${fault}`, {
    code: 'RESTORE_CORRUPT',
    hint: 'do not let the server go on without this segment: look for another copy of it, for example in pg_wal of a standby',
  })
}
