import { errnoText } from '../base/index.js'
import { controlFileFor, readSystemIdentifier } from './data-directory.js'
import { RestoreError } from './errors.js'
import type { RestoreArchive } from './restore-archive.js'

/** Who asks: the cluster whose data directory the target is in. */
export interface Asker {
  /** Where a WAL file is to go. */
  readonly target: string
  /** What a relative target is relative to. */
  readonly workingDirectory: string
}

/**
 * Makes sure that there is an archive, and that it is that of the cluster that asks. A target outside of any
 * data directory is nobody's, and may have any archive.
 *
 * @returns what the archive says about itself
 * @throws RestoreError `RESTORE_NO_ARCHIVE`, `RESTORE_OTHER_CLUSTER`, `RESTORE_CONTROL_FILE`
 */
export function checkIdentity(archive: RestoreArchive, asker: Asker): { readonly segmentSize: number } {
  const { identity } = archive
  if (identity === null) {
    throw new RestoreError(`there is no walship archive at "${archive.name}"`, {
      code: 'RESTORE_NO_ARCHIVE',
      hint: 'check the bucket and the prefix: an archive has an object named cluster.json',
    })
  }
  const asking = systemIdentifierOf(asker)
  if (asking !== null && BigInt(identity.systemIdentifier) !== asking) {
    throw new RestoreError(
      `the archive at "${archive.name}" is that of another cluster: its system identifier is ` +
        `${identity.systemIdentifier}, that of the data directory is ${asking}`,
      { code: 'RESTORE_OTHER_CLUSTER', hint: 'name the store of this cluster in restore_command' },
    )
  }
  return identity
}

function systemIdentifierOf({ target, workingDirectory }: Asker): bigint | null {
  const path = controlFileFor(target, workingDirectory)
  try {
    return readSystemIdentifier(path)
  } catch (error) {
    throw new RestoreError(`could not read file "${path}": ${errnoText(error)}`, {
      code: 'RESTORE_CONTROL_FILE',
      hint: 'run the command as the user that owns the data directory',
      cause: error,
    })
  }
}
