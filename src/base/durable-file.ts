import { constants } from 'node:fs'
import { basename, dirname } from 'node:path'
import { type FileSystem, nodeFileSystem, writeFully } from './file-system.js'

/** How {@link writeFileDurably} writes. */
export interface DurableFileOptions {
  /** Permission bits of the new file, whatever the process's umask. */
  readonly mode: number
  /** Name to write under first, in the same directory. Default: the final name and `.tmp`. */
  readonly temporaryName?: string
  /** False leaves out every fsync; the name still changes only when all bytes are written. Default true. */
  readonly durable?: boolean
  readonly files?: FileSystem
}

/**
 * Makes a whole small file appear under its final name at once: a name that can be seen is
 * complete and, once the promise resolved, durable. An existing file of that name is replaced.
 *
 * Order: write under a temporary name (a left-over of it is emptied first), fsync, close, rename,
 * fsync of the directory. Without the last one a power cut can take the name back.
 *
 * @throws the operating system's error; a new temporary file is then removed if possible
 */
export async function writeFileDurably(
  path: string,
  content: Uint8Array,
  options: DurableFileOptions,
): Promise<void> {
  const files = options.files ?? nodeFileSystem
  const durable = options.durable ?? true
  const temporary = `${dirname(path)}/${options.temporaryName ?? `${basename(path)}.tmp`}`
  const file = await files.open(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
    options.mode,
  )
  try {
    try {
      await file.chmod(options.mode)
      await writeFully(file, [content], 0)
      if (durable) await file.sync()
    } finally {
      await file.close()
    }
    await files.rename(temporary, path)
  } catch (error) {
    await files.unlink(temporary).catch(() => {})
    throw error
  }
  if (durable) await syncDirectory(dirname(path), files)
}

/** fsync of a directory: names made, changed and removed in it before are durable. */
export async function syncDirectory(path: string, files: FileSystem = nodeFileSystem): Promise<void> {
  const directory = await files.open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
