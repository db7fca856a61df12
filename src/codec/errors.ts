import { WalshipError } from '../base/index.js'

/**
 * A compressed stream that cannot be read further. `reason` is what the C library of the format
 * says, such as `ERROR_frameType_unknown`, for texts that name the file in front of it.
 */
export class CorruptStreamError extends WalshipError {
  readonly reason: string

  constructor(algorithm: string, reason: string, cause?: unknown) {
    super(`could not decompress ${algorithm} data: ${reason}`, { code: 'CORRUPT_COMPRESSED_DATA', cause })
    this.reason = reason
  }
}
